//! From a fault to a page: the whole way.
