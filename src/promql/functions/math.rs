//! Functions of one float.

use super::{FloatFn, ParameterFn};

pub(super) fn lookup(name: &str) -> Option<FloatFn> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sgn" => sign,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "deg" => f64::to_degrees,
        "rad" => f64::to_radians,
        _ => return None,
    })
}

pub(super) fn lookup_with_parameters(name: &str) -> Option<ParameterFn> {
    Some(match name {
        "round" => round,
        "clamp" => clamp,
        "clamp_min" => |v, p| Some(larger(v, first(p))),
        "clamp_max" => |v, p| Some(smaller(v, first(p))),
        _ => return None,
    })
}

fn first(parameters: &[f64]) -> f64 {
    parameters.first().copied().unwrap_or(f64::NAN)
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// To the nearest multiple, halves up. Dividing by the inverse keeps `round(x, 0.1)` exact.
fn round(value: f64, parameters: &[f64]) -> Option<f64> {
    let inverse = 1.0 / parameters.first().copied().unwrap_or(1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}

fn clamp(value: f64, parameters: &[f64]) -> Option<f64> {
    let &[min, max] = parameters else { return None };
    (max >= min || min.is_nan() || max.is_nan()).then(|| larger(min, smaller(max, value)))
}

/// The larger; NaN when either is.
pub(in crate::promql) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The smaller; NaN when either is.
pub(in crate::promql) fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_halves_up_to_any_multiple() {
        for (value, to, expected) in [(2.5, 1.0, 3.0), (-2.5, 1.0, -2.0), (1234.0, 100.0, 1200.0), (0.26, 0.1, 0.3)] {
            assert_eq!(round(value, &[to]), Some(expected));
        }
        assert_eq!(round(0.4, &[]), Some(0.0));
    }

    #[test]
    fn clamps_and_refuses_an_empty_range() {
        assert_eq!(clamp(5.0, &[0.0, 1.0]), Some(1.0));
        assert_eq!(clamp(-5.0, &[0.0, 1.0]), Some(0.0));
        assert_eq!(clamp(0.5, &[1.0, 0.0]), None);
        assert!(clamp(0.5, &[f64::NAN, 0.0]).unwrap().is_nan());
    }

    #[test]
    fn the_sign_keeps_zero_and_nan() {
        assert_eq!((sign(-3.0), sign(0.0), sign(7.0)), (-1.0, 0.0, 1.0));
        assert!(sign(f64::NAN).is_nan());
    }
}
