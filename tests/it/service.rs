//! Starting, stopping and configuring the service.
