//! Bytes become validated batches; no sockets here.
