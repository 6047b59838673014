//! `GET /api/v1/rules`: objectives as the rules that they are in Prometheus.

use std::collections::HashSet;

use axum::extract::State;
use serde::Serialize;
use sha2::Digest;

use super::error::ApiError;
use super::matchers;
use super::params::Params;
use super::reply::Reply;
use super::rule_form::{GroupJson, RuleJson, groups};
use crate::base::Matcher;
use crate::http::Api;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Discovery {
    groups: Vec<GroupJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_next_token: Option<String>,
}

pub(super) async fn rules(State(api): State<Api>, params: Params) -> Result<Reply<Discovery>, ApiError> {
    let filter = Filter::read(&params)?;
    let page = Page::read(&params)?;
    Ok(Reply::new(page.cut(groups(&api), |group| filter.apply(group))?))
}

/// Which rules are wanted.
struct Filter<'a> {
    alerting: bool,
    names: HashSet<&'a str>,
    groups: HashSet<&'a str>,
    files: HashSet<&'a str>,
    matchers: Vec<Vec<Matcher>>,
    exclude_alerts: bool,
}

impl<'a> Filter<'a> {
    fn read(params: &'a Params) -> Result<Self, ApiError> {
        let kind = params.get("type").unwrap_or_default().to_lowercase();
        if !["", "alert", "record"].contains(&kind.as_str()) {
            return Err(ApiError::parameter("type", format!("not supported value {kind:?}")));
        }
        Ok(Self {
            alerting: kind != "record",
            names: params.all("rule_name[]").collect(),
            groups: params.all("rule_group[]").collect(),
            files: params.all("file[]").collect(),
            matchers: matchers::parse_all(params)?,
            exclude_alerts: params.boolean("exclude_alerts")?,
        })
    }

    /// What is left of a group; `None` when nothing is.
    fn apply(&self, mut group: GroupJson) -> Option<GroupJson> {
        let named = |wanted: &HashSet<&str>, name: &str| wanted.is_empty() || wanted.contains(name);
        if !self.alerting || !named(&self.groups, &group.name) || !named(&self.files, &group.file) {
            return None;
        }
        group.rules.retain(|rule| named(&self.names, &rule.name) && self.matches(rule));
        if self.exclude_alerts {
            group.rules.iter_mut().for_each(|rule| rule.alerts = None);
        }
        (!group.rules.is_empty()).then_some(group)
    }

    fn matches(&self, rule: &RuleJson) -> bool {
        self.matchers.is_empty() || self.matchers.iter().any(|set| Matcher::all_match(set, &rule.labels))
    }
}

/// Which part of the groups is wanted: so many, from the one that a token names.
struct Page<'a> {
    limit: Option<usize>,
    token: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn read(params: &'a Params) -> Result<Self, ApiError> {
        let limit = params.get("group_limit").map(group_limit).transpose()?;
        let token = params.get("group_next_token");
        if token.is_some() && limit.is_none() {
            let problem = "group_limit needs to be present in order to paginate over the groups";
            return Err(ApiError::parameter("group_next_token", problem));
        }
        Ok(Self { limit, token })
    }

    fn cut(
        &self,
        groups: Vec<GroupJson>,
        wanted: impl Fn(GroupJson) -> Option<GroupJson>,
    ) -> Result<Discovery, ApiError> {
        let mut left = groups.into_iter().peekable();
        if let Some(token) = self.token {
            while left.next_if(|group| token_of(group) != token).is_some() {}
            if left.peek().is_none() {
                let problem = format!("invalid group_next_token {token:?}: were rule groups changed?");
                return Err(ApiError::parameter("group_next_token", problem));
            }
        }
        let mut page = Discovery { groups: Vec::new(), group_next_token: None };
        for group in left.filter_map(wanted) {
            if self.limit == Some(page.groups.len()) {
                page.group_next_token = Some(token_of(&group));
                break;
            }
            page.groups.push(group);
        }
        Ok(page)
    }
}

fn group_limit(text: &str) -> Result<usize, ApiError> {
    match text.parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        Ok(_) => Err(ApiError::parameter("group_limit", "group_limit needs to be greater than 0")),
        Err(error) => Err(ApiError::parameter("group_limit", format!("it needs to be a valid number: {error}"))),
    }
}

/// A name for a group that says nothing about its place in the list, which may change between two pages.
fn token_of(group: &GroupJson) -> String {
    hex::encode(&sha2::Sha256::digest(format!("{};{}", group.file, group.name))[..20])
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use crate::http::prom::testing::get;

    fn names(body: &Value) -> Vec<&str> {
        let groups = body["data"]["groups"].as_array().unwrap().iter();
        groups.flat_map(|g| g["rules"].as_array().unwrap()).map(|r| r["name"].as_str().unwrap()).collect()
    }

    #[tokio::test]
    async fn lists_objectives_as_rules() {
        let (_, body) = get("/api/v1/rules").await;
        let group = &body["data"]["groups"][0];
        assert_eq!((&group["name"], &group["file"]), (&json!("plimsoll-a-memory"), &json!("rules/shop.yaml")));
        assert_eq!((&group["interval"], &group["limit"]), (&json!(5), &json!(0)));
        assert_eq!(group["lastEvaluation"], json!("1970-01-01T00:00:50.000Z"));
        let rule = &group["rules"][0];
        for (field, value) in [
            ("type", json!("alerting")),
            ("state", json!("firing")),
            ("name", json!("AMemory")),
            ("query", json!("a > 0.9")),
            ("duration", json!(300)),
            ("keepFiringFor", json!(60)),
            ("labels", json!({"objective": "a-memory", "severity": "critical"})),
            ("health", json!("ok")),
            ("lastError", Value::Null),
        ] {
            assert_eq!(rule[field], value, "{field}");
        }
        assert_eq!(rule["alerts"].as_array().map(Vec::len), Some(2));
        let unevaluated = &body["data"]["groups"][1];
        assert_eq!(
            (&unevaluated["rules"][0]["health"], &unevaluated["rules"][0]["state"]),
            (&json!("unknown"), &json!("inactive"))
        );
        assert_eq!(unevaluated["lastEvaluation"], json!("0001-01-01T00:00:00Z"));
    }

    #[tokio::test]
    async fn filters() {
        for (query, expected) in [
            ("", vec!["AMemory", "BLatency"]),
            ("type=alert", vec!["AMemory", "BLatency"]),
            ("type=record", vec![]),
            ("rule_name[]=BLatency", vec!["BLatency"]),
            ("rule_name[]=BLatency&rule_name[]=AMemory", vec!["AMemory", "BLatency"]),
            ("rule_group[]=plimsoll-a-memory", vec!["AMemory"]),
            ("file[]=nothing.yaml", vec![]),
            ("match[]={objective=~\"b.*\"}", vec!["BLatency"]),
            ("match[]={objective=\"none\"}&match[]={severity=\"critical\"}", vec!["AMemory", "BLatency"]),
        ] {
            assert_eq!(names(&get(&format!("/api/v1/rules?{query}")).await.1), expected, "{query}");
        }
        let (_, body) = get("/api/v1/rules?exclude_alerts=true").await;
        assert_eq!(body["data"]["groups"][0]["rules"][0].get("alerts"), None);
    }

    #[tokio::test]
    async fn pages() {
        let (_, first) = get("/api/v1/rules?group_limit=1").await;
        assert_eq!(names(&first), ["AMemory"]);
        let token = first["data"]["groupNextToken"].as_str().unwrap();
        let (_, second) = get(&format!("/api/v1/rules?group_limit=1&group_next_token={token}")).await;
        assert_eq!((names(&second), second["data"].get("groupNextToken")), (vec!["BLatency"], None));
    }

    #[tokio::test]
    async fn refuses_what_prometheus_refuses() {
        for query in [
            "type=x",
            "group_limit=0",
            "group_limit=x",
            "group_next_token=x",
            "group_limit=1&group_next_token=x",
            "exclude_alerts=maybe",
            "match[]={}",
        ] {
            let (status, body) = get(&format!("/api/v1/rules?{query}")).await;
            assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")), "{query}");
        }
    }
}
