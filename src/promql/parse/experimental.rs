//! Names for what the parser can not read: experimental syntax of Prometheus 3, which it takes for mistakes.

/// The experimental feature that an expression, which could not be parsed, uses; `None` when it is simply wrong.
pub(super) fn feature_of(expression: &str) -> Option<&'static str> {
    let text = super::outside_strings(expression);
    let words = |wanted: &str| text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == wanted);
    if words("smoothed") {
        Some("the smoothed modifier")
    } else if words("anchored") {
        Some("the anchored modifier")
    } else if text.contains("</") || text.contains(">/") {
        Some("trimming of histograms")
    } else {
        has_duration_expression(&text).then_some("arithmetic in durations")
    }
}

/// Whether something is computed in brackets or behind `offset`.
fn has_duration_expression(text: &str) -> bool {
    let computed = |duration: &str| {
        let duration = duration.trim().trim_start_matches('-');
        duration.contains(['+', '-', '*', '/', '%', '^', '(']) && duration.starts_with(|c: char| c != '=')
    };
    let in_brackets = text.split('[').skip(1).filter_map(|after| after.split(']').next());
    let behind_offset = text.split("offset").skip(1).map(str::trim_start);
    in_brackets.flat_map(|range| range.split(':')).any(computed)
        || behind_offset.into_iter().any(|t| t.starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::feature_of;

    #[test]
    fn names_experimental_syntax_and_nothing_else() {
        let cases = [
            ("rate(x[5m] smoothed)", Some("the smoothed modifier")),
            ("x anchored", Some("the anchored modifier")),
            ("h </ 5", Some("trimming of histograms")),
            ("rate(x[5m + 1m])", Some("arithmetic in durations")),
            ("max_over_time(x[1h:step() * 2])", Some("arithmetic in durations")),
            ("x offset (5m - 1m)", Some("arithmetic in durations")),
            ("x{a=\"smoothed\"} + # anchored", None),
            ("x offset -5m +", None),
            ("rate(x[5m", None),
        ];
        for (expression, expected) in cases {
            assert_eq!(feature_of(expression), expected, "{expression}");
        }
    }
}
