//! Starts plimsoll.
