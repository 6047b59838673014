//! What was acknowledged survives SIGKILL, once.
