//! Before a page goes out: does anyone still wait for it?

use std::sync::Arc;

use crate::alert::{Desk, IncidentState, OnCall};
use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::notify::{Decision, Envelope, Gate};

/// Lets a page through while its incident fires and has not moved on since the page was decided.
pub struct Unanswered {
    /// Knows the incidents.
    pub desk: Arc<Desk>,
}

impl Gate for Unanswered {
    fn verdict<'a>(&'a self, envelope: &'a Envelope, _now: Timestamp) -> BoxFuture<'a, Decision> {
        Box::pin(async move {
            // What cannot be looked up is sent: a page too many is better than one too few.
            let Ok(Some(detail)) = self.desk.incident(envelope.notice.incident).await else { return Decision::Send };
            let incident = detail.incident;
            match incident.state {
                IncidentState::Acknowledged => Decision::Cancel("acknowledged before it was sent".to_owned()),
                IncidentState::Resolved => Decision::Cancel("over before it was sent".to_owned()),
                IncidentState::Firing if incident.generation != envelope.generation => {
                    Decision::Cancel("decided before the incident was taken back or became worse".to_owned())
                }
                IncidentState::Firing => Decision::Send,
            }
        })
    }
}
