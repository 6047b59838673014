//! How many spans a sampled one stands for.
//!
//! A sampler that keeps a share of all traces writes down how many it rejects: `ot=th:c` in `tracestate` is
//! a threshold of 0xc0000000000000 in 2⁵⁶, so three of four were rejected and this one stands for four
//! (OpenTelemetry specification, "TraceState: Probability Sampling", "Converting threshold to an adjusted
//! count"). Weights are whole here; what is between two of them is rounded by the span's own id, which is
//! random, so that the sum over many spans is right.

use crate::base::DropReason;
use crate::ingest::outcome::Reject;

/// 2⁵⁶: how many random values there are.
const VALUES: u64 = 1 << 56;
/// The digits of a threshold.
const DIGITS: usize = 14;
/// The most spans that one may stand for.
const MOST: f64 = 1e6;

/// The weight of a span: 1 without a threshold, or with one that cannot be read.
pub(super) fn weight(trace_state: &str, span_id: &[u8]) -> Result<u32, Reject> {
    let Some(threshold) = threshold(trace_state) else { return Ok(1) };
    let adjusted = VALUES as f64 / (VALUES - threshold) as f64;
    if adjusted > MOST {
        let error = format!("the span stands for {adjusted:.0} others; at most {MOST} are taken");
        return Err(Reject::new(DropReason::Implausible, error));
    }
    Ok((adjusted + fraction(span_id)).floor() as u32)
}

/// The threshold in the entry `ot`, of 1 to 14 hexadecimal digits; missing ones are zeros at the end.
fn threshold(trace_state: &str) -> Option<u64> {
    let entry = trace_state.split(',').find_map(|e| e.trim().strip_prefix("ot="))?;
    let digits = entry.split(';').find_map(|pair| pair.strip_prefix("th:"))?;
    let is_one = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u64::from_str_radix(digits, 16).ok().filter(|_| is_one)?;
    Some(value << (4 * (DIGITS - digits.len())))
}

/// A number from 0 up to 1 that is made of the id.
fn fraction(span_id: &[u8]) -> f64 {
    let value = span_id.iter().take(6).fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    value as f64 / (1u64 << 48) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_as_the_specification_says() {
        for (state, expected) in [
            ("", 1),
            ("ot=th:0", 1),
            ("ot=th:8", 2),
            ("ot=th:c", 4),
            ("vendor=x, ot=rv:abcdef01234567;th:c", 4),
            ("ot=th:fd70a4", 100),
            ("ot=th:", 1),
            ("ot=th:xyz", 1),
            ("ot=th:123456789012345", 1),
            ("other=th:c", 1),
        ] {
            assert_eq!(weight(state, &[0; 8]).unwrap(), expected, "{state}");
        }
        assert_eq!(weight("ot=th:ffffffffffffff", &[0; 8]).unwrap_err().reason, DropReason::Implausible);
    }

    #[test]
    fn between_whole_numbers_the_mean_is_right() {
        // A quarter is rejected: each stands for 4/3.
        let ids = (0..3000u32).map(|i| i.wrapping_mul(0x9e37_79b9).to_be_bytes());
        let sum: u32 = ids.map(|id| weight("ot=th:4", &[id, id].concat()).unwrap()).sum();
        assert!((3980..=4020).contains(&sum), "{sum}");
    }
}
