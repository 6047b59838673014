//! Files, environment and flags become each module's settings.
