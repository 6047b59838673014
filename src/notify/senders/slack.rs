//! A Slack incoming webhook: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
//!
//! Text from labels is escaped (`<!channel>` in a label must not call everyone) and marked `verbatim`, so
//! that Slack makes no links of it. A webhook answers without an id and cannot be told a repeat: after a
//! lost answer a message may appear twice, which is better than not at all.

use serde_json::{Value, json};
use url::Url;

use crate::base::clock::BoxFuture;
use crate::base::retry::Class;
use crate::base::{Secret, SharedClock};
use crate::egress::{Client, Request};
use crate::notify::envelope::Envelope;
use crate::notify::render::{self, Link};
use crate::notify::sender::{Receipt, SendError, Sender};
use crate::notify::settings;

use super::BuildError;

/// Block Kit's limits, in characters; emoji count twice, as in UTF-16.
const SECTION: usize = 3000;
const FIELD: usize = 2000;
const HEADER: usize = 150;
/// The most fields of a section.
const FIELDS: usize = 10;
/// All blocks together are refused near 13,000 characters; a field takes this much of that at most.
const FIELD_SHARE: usize = 600;

pub(super) struct Slack {
    channel: String,
    url: Url,
    secret: Secret,
    client: Client,
    clock: SharedClock,
}

impl Slack {
    pub(super) fn new(
        channel: &str,
        settings: &settings::Slack,
        client: Client,
        clock: SharedClock,
    ) -> Result<Self, BuildError> {
        let url = Url::parse(settings.webhook.expose()).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| BuildError::Webhook { channel: channel.to_owned() })?;
        Ok(Self { channel: channel.to_owned(), url, secret: settings.webhook.clone(), client, clock })
    }
}

impl Sender for Slack {
    fn target(&self) -> String {
        format!("Slack webhook of channel {}", self.channel)
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let body = super::json(&message(envelope));
            let request = Request::post(self.url.clone(), "application/json", body).secret(&self.secret);
            let answer = self.client.send(request, self.clock.now()).await?;
            match answer.body.trim_ascii() {
                b"ok" => Ok(Receipt::default()),
                _ => Err(SendError {
                    class: Class::Transient,
                    message: format!("{} answered {} but not \"ok\"", self.target(), answer.status.as_u16()),
                }),
            }
        })
    }
}

fn message(envelope: &Envelope) -> Value {
    let notice = &envelope.notice;
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&render::subject(notice), HEADER)}),
        json!({"type": "section", "text": mrkdwn(&render::headline(envelope), SECTION)}),
    ];
    let facts = render::facts(envelope);
    let fields: Vec<Value> = facts.iter().take(FIELDS).map(|(name, value)| field(name, value)).collect();
    blocks.push(json!({"type": "section", "fields": fields}));
    let buttons: Vec<Value> = render::links(envelope).iter().enumerate().map(|(i, link)| button(i, link)).collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    let origin = format!("Plimsoll, incident {}, level {}", notice.incident, notice.level);
    blocks.push(json!({"type": "context", "elements": [mrkdwn(&origin, FIELD)]}));
    json!({
        "text": escape(&render::headline(envelope), SECTION),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// Fields are plain text: values need no markup, and text from outside gets none.
fn field(name: &str, value: &str) -> Value {
    plain(&format!("{name}\n{}", render::clip(value, FIELD_SHARE)), FIELD)
}

fn button(index: usize, link: &Link) -> Value {
    json!({"type": "button", "text": plain(link.text, 75), "url": link.href, "action_id": format!("open-{index}")})
}

fn plain(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "text": fit(text.chars().map(Piece::Plain), limit), "emoji": false})
}

fn mrkdwn(text: &str, limit: usize) -> Value {
    json!({"type": "mrkdwn", "text": escape(text, limit), "verbatim": true})
}

/// The text with `&`, `<` and `>` escaped, at most `limit` long; an escape is never cut in two.
fn escape(text: &str, limit: usize) -> String {
    let pieces = text.chars().map(|c| match c {
        '&' => Piece::Escape("&amp;"),
        '<' => Piece::Escape("&lt;"),
        '>' => Piece::Escape("&gt;"),
        c => Piece::Plain(c),
    });
    fit(pieces, limit)
}

enum Piece {
    Plain(char),
    Escape(&'static str),
}

/// As many pieces as fit; what is cut shows as `…`.
fn fit(pieces: impl Iterator<Item = Piece>, limit: usize) -> String {
    let (mut text, mut length, mut room) = (String::new(), 0, 0);
    for piece in pieces {
        length += match &piece {
            Piece::Plain(c) => c.len_utf16(),
            Piece::Escape(entity) => entity.len(),
        };
        if length > limit {
            text.truncate(room);
            text.push('…');
            return text;
        }
        match piece {
            Piece::Plain(c) => text.push(c),
            Piece::Escape(entity) => text.push_str(entity),
        }
        if length < limit {
            room = text.len();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_never_cut() {
        assert_eq!(escape("<!channel>", 100), "&lt;!channel&gt;");
        assert_eq!(escape("ab&cd", 9), "ab&amp;cd");
        assert_eq!(escape("ab&cd", 8), "ab&amp;…");
        assert_eq!(escape("ab&cd", 7), "ab…");
        assert_eq!(escape("ab&", 6), "ab…");
    }

    #[test]
    fn emoji_count_twice_and_are_never_cut() {
        assert_eq!(escape("a🚢b", 4), "a🚢b");
        assert_eq!(escape("a🚢bc", 4), "a🚢…");
        assert_eq!(escape("a🚢🚢", 4), "a🚢…");
        assert_eq!(escape("a🚢🚢", 3), "a…");
    }
}
