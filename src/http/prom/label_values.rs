//! `GET /api/v1/label/NAME/values`: the values of a label.

use std::collections::BTreeSet;

use axum::extract::{Path, State};

use super::error::ApiError;
use super::matchers;
use super::params::Params;
use super::reply::Reply;
use crate::http::Api;

pub(super) async fn label_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Reply<Vec<String>>, ApiError> {
    let name = unescaped(&name).unwrap_or(name);
    if name.is_empty() {
        return Err(ApiError::bad_data("invalid label name: \"\""));
    }
    let sets = matchers::parse_all(&params)?;
    let limit = params.limit()?;
    let mut values = BTreeSet::new();
    for selection in matchers::selections(&params, sets)? {
        values.extend(api.known.label_values(&name, &selection).await?);
    }
    Ok(Reply::limited(values.into_iter().collect(), limit))
}

/// A name that a path cannot hold comes as `U__` and the name with `__` for an underscore and `_HEX_` for other
/// characters, such as `U__http_2e_status`. What is no such text is a name as it is.
fn unescaped(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('_') {
        let (code, next) = after.split_once('_')?;
        plain.push_str(before);
        plain.push(if code.is_empty() { '_' } else { char::from_u32(u32::from_str_radix(code, 16).ok()?)? });
        rest = next;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn lists_values_in_order() {
        assert_eq!(get("/api/v1/label/job/values").await.1["data"], json!(["a", "b"]));
        assert_eq!(get("/api/v1/label/__name__/values").await.1["data"], json!(["native", "up"]));
        assert_eq!(get("/api/v1/label/job/values?match[]=up{job!=\"a\"}").await.1["data"], json!(["b"]));
        assert_eq!(get("/api/v1/label/none/values").await.1["data"], json!([]));
        // Any text is a name since Prometheus 3.
        assert_eq!(get("/api/v1/label/a-b/values").await, get("/api/v1/label/none/values").await);
        assert_eq!(get("/api/v1/label/U__j_6f_b/values").await.1["data"], json!(["a", "b"]));
        assert_eq!(get("/api/v1/label/U______name____/values").await.1["data"], json!(["native", "up"]));
        for bad in ["U__/values", "job/values?match[]=sum(x)"] {
            assert_eq!(get(&format!("/api/v1/label/{bad}")).await.0, StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn escaped_names_are_read() {
        for (escaped, plain) in [
            ("U__http_2e_status", Some("http.status")),
            ("U__a__b", Some("a_b")),
            ("U___1f600_", Some("\u{1f600}")),
            ("U__", Some("")),
            ("U__a_zz_", None),
            ("U__a_1", None),
            ("U__a_d800_", None),
            ("plain", None),
        ] {
            assert_eq!(super::unescaped(escaped).as_deref(), plain, "{escaped}");
        }
    }
}
