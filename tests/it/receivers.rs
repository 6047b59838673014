//! Stand-ins for PagerDuty, Slack and webhooks that check the wire format strictly.
