//! Typed identifiers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new id (UUID version 7): ids made later sort later, to the millisecond.
            pub fn new(now: Timestamp) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
            }

            /// Reads the hyphenated form.
            pub fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::parse_str(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

typed_id!(
    /// One incident: an episode of one objective and group being in breach.
    IncidentId
);
typed_id!(
    /// One message to one target; stable over retries, so receivers can tell repeats.
    EnvelopeId
);
