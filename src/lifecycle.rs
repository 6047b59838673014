//! Named tasks, and starting and stopping in order.
