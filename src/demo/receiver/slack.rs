//! A Slack incoming webhook with Block Kit's limits.

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

use super::form::{Fields, Problems, posted};
use super::{Page, Request};

/// All blocks together are refused near this many characters.
const BLOCKS_CHARS: usize = 13_000;

pub(super) fn check(request: &Request<'_>) -> Result<Page, Vec<String>> {
    let problems = Problems::default();
    let body = posted(request, 256 * 1024, &problems);
    let mut message = Fields::of(&body, "message", &problems);
    let text = message.text("text", 40_000);
    markup("message.text", text, &problems);
    let blocks = message.list("blocks", 50);
    problems.expect(!blocks.is_empty(), "message.blocks is missing");
    let mut actions = BTreeSet::new();
    let total: usize = blocks.iter().map(|b| block(b, &mut actions, &problems)).sum();
    problems.expect(total <= BLOCKS_CHARS, "the blocks hold too much text");
    message.flag("unfurl_links");
    message.flag("unfurl_media");
    message.end();
    problems.result(Page { action: "message".to_owned(), key: String::new(), text: unescape(text) })
}

/// Checks a block and returns how much text it holds.
fn block(value: &Value, actions: &mut BTreeSet<String>, problems: &Problems) -> usize {
    let mut block = Fields::of(value, "block", problems);
    let length = match block.word("type", &["header", "section", "context", "actions"]) {
        "header" => text(block.required("text"), &["plain_text"], 150, problems),
        "section" => section(&mut block, problems),
        "context" => {
            let elements = block.list("elements", 10);
            problems.expect(!elements.is_empty(), "a context has no elements");
            elements.iter().map(|e| text(e, &["mrkdwn", "plain_text"], 2000, problems)).sum()
        }
        _ => {
            let elements = block.list("elements", 25);
            problems.expect(!elements.is_empty(), "actions has no elements");
            elements.iter().map(|e| button(e, actions, problems)).sum()
        }
    };
    block.end();
    length
}

fn section(block: &mut Fields<'_>, problems: &Problems) -> usize {
    let body = block.any("text");
    let fields = block.list("fields", 10);
    problems.expect(body.is_some() || !fields.is_empty(), "a section has neither text nor fields");
    let kinds = &["mrkdwn", "plain_text"];
    let body = body.map_or(0, |t| text(t, kinds, 3000, problems));
    body + fields.iter().map(|t| text(t, kinds, 2000, problems)).sum::<usize>()
}

fn button(value: &Value, actions: &mut BTreeSet<String>, problems: &Problems) -> usize {
    let mut button = Fields::of(value, "button", problems);
    button.word("type", &["button"]);
    let length = text(button.required("text"), &["plain_text"], 75, problems);
    button.link("url", 3000);
    let fresh = actions.insert(button.text("action_id", 255).to_owned());
    problems.expect(fresh, "an action_id occurs twice");
    if button.any("style").is_some() {
        button.word("style", &["primary", "danger"]);
    }
    button.end();
    length
}

fn text(value: &Value, kinds: &[&str], limit: usize, problems: &Problems) -> usize {
    let mut object = Fields::of(value, "text object", problems);
    let kind = object.word("type", kinds);
    let text = object.text("text", limit);
    if kind == "mrkdwn" {
        markup("a mrkdwn text", text, problems);
        problems.expect(object.any("verbatim") == Some(&Value::Bool(true)), "a mrkdwn text is not verbatim");
    } else {
        object.flag("emoji");
    }
    object.end();
    text.len()
}

/// `<` opens a link, a mention or `<!channel>`; we send none, so a bare one came from a label.
fn markup(place: &str, text: &str, problems: &Problems) {
    let bare = text.split('&').skip(1).any(|rest| !["amp;", "lt;", "gt;"].iter().any(|e| rest.starts_with(e)));
    problems.expect(!text.contains(['<', '>']) && !bare, &format!("{place} is not escaped"));
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

pub(super) fn answer(checked: &Result<Page, Vec<String>>) -> Response {
    match checked {
        Ok(_) => "ok".into_response(),
        Err(_) => (StatusCode::BAD_REQUEST, "invalid_payload").into_response(),
    }
}
