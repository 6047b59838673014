//! What one request comes to: items by kind, what was refused and why, and what was said of metrics.

use std::sync::Arc;

use crate::base::{DropReason, Labels, METRIC_NAME, Timestamp};
use crate::ingest::LabelLimits;
use crate::ingest::outcome::Reject;
use crate::series::{Delta, Item, Metadata, is_stale};
use crate::sketch::format_le;

use super::cache::{Known, Session};
use super::histogram::{self, Content, Custom, Room};
use super::labels::{self, LabelsError};
use super::refused::Refused;
use super::wire::{Fields, Value, WireError};

/// The most samples, buckets and exemplars of a request.
pub(super) const ELEMENTS: usize = 1_000_000;

/// What was read of a request.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) samples: Vec<Item>,
    pub(super) histograms: Vec<Item>,
    /// What histograms with bounds of their own have become.
    pub(super) custom: Vec<Item>,
    /// How many histograms those were.
    pub(super) customs: u64,
    /// Told, and not kept.
    pub(super) exemplars: u64,
    pub(super) refused: Refused,
    /// By family.
    pub(super) metadata: Vec<(String, Metadata)>,
}

/// Takes in what the decoders find.
pub(super) struct Sink<'c> {
    session: Session<'c>,
    service: Option<&'c str>,
    limits: LabelLimits,
    room: Room,
    key: Vec<u8>,
    pub(super) decoded: Decoded,
}

impl<'c> Sink<'c> {
    pub(super) fn new(session: Session<'c>, service: Option<&'c str>, limits: LabelLimits) -> Self {
        let decoded = Decoded::default();
        Self { session, service, limits, room: Room::new(ELEMENTS), key: Vec::new(), decoded }
    }

    /// What has been read; remembers the series that are new.
    pub(super) fn end(self, now: Timestamp) -> Decoded {
        self.session.end(now);
        self.decoded
    }

    /// The series with these label fields.
    pub(super) fn series(&mut self, wire: &[u8]) -> Result<Known, WireError> {
        let (service, limits) = (self.service, self.limits);
        let key = key(wire, service.unwrap_or_default(), &mut self.key);
        let known = self.session.get(key, || match labels::build(wire, service, &limits) {
            Ok(labels) => Ok(Known::Series(labels)),
            Err(LabelsError::Wire(error)) => Err(error),
            Err(LabelsError::Refused(reject)) => Ok(Known::Refused(reject.reason)),
        })?;
        // Only the reason is remembered; the words are found again while there is room for them.
        if matches!(known, Known::Refused(_))
            && self.decoded.refused.has_room()
            && let Err(LabelsError::Refused(reject)) = labels::build(wire, service, &limits)
        {
            self.decoded.refused.explain(reject);
        }
        Ok(known)
    }

    /// A message `Sample`.
    #[inline]
    pub(super) fn sample(&mut self, known: &Known, message: &[u8]) -> Result<(), WireError> {
        self.room.take_one()?;
        let (mut value, mut at) = (0.0, 0);
        let mut fields = Fields::new(message);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => value = field.double()?,
                2 => at = field.int64()?,
                _ => {}
            }
        }
        let at = Timestamp::from_millis(at);
        match known {
            Known::Series(labels) | Known::Custom(labels, _) => {
                self.decoded.samples.push(Item { labels: labels.clone(), at, delta: Delta::Sample(value) });
            }
            Known::Refused(reason) => self.decoded.refused.add(*reason, 1),
        }
        Ok(())
    }

    /// A message `Histogram` of the series with these label fields.
    pub(super) fn histogram(&mut self, known: &Known, wire: &[u8], message: &[u8]) -> Result<(), WireError> {
        self.room.take_one()?;
        let (at, content) = histogram::read(message, &mut self.room)?;
        let labels = match known {
            Known::Refused(reason) => {
                self.decoded.refused.add(*reason, 1);
                return Ok(());
            }
            Known::Custom(labels, bounds) if is_end(&content) => {
                self.custom_end(wire, labels, bounds, at);
                return Ok(());
            }
            Known::Series(labels) | Known::Custom(labels, _) => labels,
        };
        match content {
            Ok(Content::Native(native)) => {
                let delta = Delta::Distribution(Arc::new(native));
                self.decoded.histograms.push(Item { labels: labels.clone(), at, delta });
            }
            Ok(Content::Custom(custom)) => self.custom(known, wire, labels, at, &custom),
            Err(Reject { reason, error }) => {
                self.decoded.refused.explain(Reject::new(reason, format!("{}: {error}", labels.metric_name())));
                self.decoded.refused.add(reason, 1);
            }
        }
        Ok(())
    }

    /// A classic histogram: one series for each bound and `+Inf`, `_count` and `_sum`.
    fn custom(&mut self, known: &Known, wire: &[u8], labels: &Labels, at: Timestamp, custom: &Custom) {
        self.decoded.customs += 1;
        let remembered = matches!(known, Known::Custom(_, bounds) if **bounds == *custom.bounds);
        if !remembered {
            let known = Known::Custom(labels.clone(), custom.bounds.as_slice().into());
            self.session.learn(key(wire, self.service.unwrap_or_default(), &mut self.key), known);
        }
        let bounds = custom.bounds.iter().copied().zip(custom.cumulative.iter().copied());
        for (bound, count) in bounds.chain([(f64::INFINITY, custom.count)]) {
            self.derived(wire, labels, at, ("_bucket", &format_le(bound)), count);
        }
        self.derived(wire, labels, at, ("_count", ""), custom.count);
        self.derived(wire, labels, at, ("_sum", ""), custom.sum);
    }

    fn custom_end(&mut self, wire: &[u8], labels: &Labels, bounds: &[f64], at: Timestamp) {
        let Delta::Sample(stale) = Delta::stale() else { return };
        let values = vec![stale; bounds.len()];
        let custom = Custom { bounds: bounds.to_vec(), cumulative: values, count: stale, sum: stale };
        self.custom(&Known::Custom(labels.clone(), bounds.into()), wire, labels, at, &custom);
    }

    fn derived(&mut self, wire: &[u8], base: &Labels, at: Timestamp, (suffix, le): (&str, &str), value: f64) {
        let key = key(wire, &format!("{}\u{1}{suffix}\u{1}{le}", self.service.unwrap_or_default()), &mut self.key);
        let build = || {
            let name = format!("{}{suffix}", base.metric_name());
            Ok::<_, std::convert::Infallible>(Known::Series(base.with(METRIC_NAME, &name).with("le", le)))
        };
        let Ok(known) = self.session.get(key, build);
        if let Known::Series(labels) = known {
            self.decoded.custom.push(Item { labels, at, delta: Delta::Sample(value) });
        }
    }

    /// A message `Exemplar`: looked through, and not kept. Its labels have a form for each version.
    pub(super) fn exemplar(
        &mut self,
        message: &[u8],
        labels: impl Fn(Value<'_>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.room.take_one()?;
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => labels(value)?,
                2 => {
                    value.double()?;
                }
                3 => {
                    value.int64()?;
                }
                _ => {}
            }
        }
        self.decoded.exemplars += 1;
        Ok(())
    }

    /// A series that its decoder does not take.
    pub(super) fn refuse(&mut self, reject: Reject) -> Known {
        let reason = reject.reason;
        self.decoded.refused.explain(reject);
        Known::Refused(reason)
    }
}

/// Under which bytes a series is remembered. A key's own service makes it another series.
fn key<'k>(wire: &'k [u8], more: &str, scratch: &'k mut Vec<u8>) -> &'k [u8] {
    if more.is_empty() {
        return wire;
    }
    scratch.clear();
    scratch.extend_from_slice(wire);
    // No field begins with this byte.
    scratch.push(0xff);
    scratch.extend_from_slice(more.as_bytes());
    scratch
}

/// Whether this marks the end of a series.
fn is_end(content: &Result<Content, Reject>) -> bool {
    matches!(content, Ok(Content::Native(native)) if is_stale(native.sum))
}

impl Decoded {
    /// Samples, histograms and exemplars that were in the request.
    pub(super) fn received(&self) -> u64 {
        let kept = self.samples.len() + self.histograms.len();
        kept as u64 + self.customs + self.exemplars + self.refused.events()
    }

    /// What leaves before anything is recorded, by reason.
    pub(super) fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        let exemplars = (self.exemplars > 0).then_some((DropReason::Exemplar, self.exemplars));
        self.refused.by_reason().chain(exemplars)
    }
}
