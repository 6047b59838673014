//! Mail over SMTP.
//!
//! All recipients of a channel are in one SMTP transaction: either the server takes the message for all of
//! them or the attempt has failed for all. So no retry reaches anyone twice; whose mail must not depend on
//! another's address gets a channel of their own.
//!
//! Threads (RFC 5322, section 3.6.4): every mail of an incident refers to a root that is itself never sent,
//! and all have the same subject, so clients show one thread. The `Message-ID` is the message's id, the same
//! in every attempt: a repeat after a lost answer is told as one. Success is the server's word after the
//! final dot, nothing earlier.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::Url;

use crate::base::clock::BoxFuture;
use crate::base::retry::Class;
use crate::egress::Policy;
use crate::egress::address::ResolveError;
use crate::notify::envelope::{Envelope, Kind};
use crate::notify::render;
use crate::notify::sender::{Receipt, SendError, Sender};
use crate::notify::settings;

use super::BuildError;

/// For the connection; the dispatcher limits the whole.
const CONNECT: Duration = Duration::from_secs(10);
/// The most characters of a server's answer that an error repeats.
const ANSWER: usize = 300;

pub(super) struct Email {
    from: Mailbox,
    to: Vec<Mailbox>,
    host: String,
    port: u16,
    policy: Policy,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Email {
    pub(super) fn new(channel: &str, settings: &settings::Email, policy: Policy) -> Result<Self, BuildError> {
        let wrong = |problem| BuildError::MailServer { channel: channel.to_owned(), problem };
        let server = Server::read(settings).map_err(wrong)?;
        if settings.to.is_empty() {
            return Err(wrong("it has no recipients: `to` needs at least one address"));
        }
        let tls = server.tls().map_err(|source| BuildError::MailTls { channel: channel.to_owned(), source })?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone());
        let mut builder = builder.port(server.port).tls(tls).timeout(Some(CONNECT));
        if let Some(credentials) = server.credentials {
            builder = builder.credentials(credentials);
        }
        Ok(Self {
            from: mailbox(channel, &settings.from)?,
            to: settings.to.iter().map(|to| mailbox(channel, to)).collect::<Result<_, _>>()?,
            host: server.host,
            port: server.port,
            policy,
            transport: builder.build(),
        })
    }

    fn message(&self, envelope: &Envelope) -> Result<Message, lettre::error::Error> {
        let (notice, domain) = (&envelope.notice, self.from.email.domain());
        let root = format!("<incident-{}@{domain}>", notice.incident);
        let mark = if envelope.kind == Kind::Test { "[Plimsoll test]" } else { "[Plimsoll]" };
        let decided = Duration::from_millis(u64::try_from(envelope.created_at.as_millis()).unwrap_or(0));
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(format!("{mark} {}", render::subject(notice)))
            .date(UNIX_EPOCH + decided)
            .message_id(Some(format!("<{}@{domain}>", envelope.id)))
            .in_reply_to(root.clone())
            .references(root);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let own = [
            (HeaderName::new_from_ascii_str("List-Id"), list_id(&notice.objective, domain)),
            (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()),
            (HeaderName::new_from_ascii_str("X-Plimsoll-Incident"), notice.incident.to_string()),
            (HeaderName::new_from_ascii_str("X-Plimsoll-Severity"), notice.severity.to_string()),
        ];
        for (name, value) in own {
            message = message.raw_header(HeaderValue::new(name, value));
        }
        let page = render::page(envelope).into_string();
        message.multipart(MultiPart::alternative_plain_html(render::plain(envelope), page))
    }
}

impl Sender for Email {
    fn target(&self) -> String {
        let addresses: Vec<String> = self.to.iter().map(|to| to.email.to_string()).collect();
        addresses.join(", ")
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let unmade = |e| SendError { class: Class::Permanent, message: format!("the mail could not be made: {e}") };
            let message = self.message(envelope).map_err(unmade)?;
            // The server is the operator's own; this catches a name that has come to mean a metadata service.
            self.policy.resolve(&self.host, self.port).await.map_err(unresolved)?;
            self.transport.send(message).await.map_err(|e| refused(&e))?;
            Ok(Receipt { provider_id: Some(format!("<{}@{}>", envelope.id, self.from.email.domain())) })
        })
    }
}

fn mailbox(channel: &str, text: &str) -> Result<Mailbox, BuildError> {
    text.parse().map_err(|source| BuildError::MailAddress {
        channel: channel.to_owned(),
        address: render::one_line(text),
        source,
    })
}

/// RFC 2919: a name for people and an id for filters, which people sort their mail by.
fn list_id(objective: &str, domain: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let id: String = objective.chars().take(60).map(safe).collect();
    format!("<{}.plimsoll.{domain}>", id.trim_matches('-'))
}

fn unresolved(error: ResolveError) -> SendError {
    let class = match error {
        ResolveError::Lookup { .. } => Class::Transient,
        ResolveError::Refused { .. } => Class::Permanent,
    };
    SendError { class, message: error.to_string() }
}

/// RFC 5321, section 4.2.1: 5xx is for good, 4xx for now. A server that lacks what we need (STARTTLS, a way
/// to log in) will lack it again; everything else is the network.
fn refused(error: &lettre::transport::smtp::Error) -> SendError {
    let permanent = error.is_permanent() || error.is_client();
    let class = if permanent { Class::Permanent } else { Class::Transient };
    SendError { class, message: render::clip(&render::one_line(&error.to_string()), ANSWER) }
}

/// The mail server, read from its URL.
struct Server {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    protection: Protection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    Implicit,
    Required,
    Offered,
    None,
}

impl Server {
    fn read(settings: &settings::Email) -> Result<Self, &'static str> {
        let url = Url::parse(settings.smtp.expose())
            .map_err(|_| "the mail server is not an address like smtp://mail.example.com:587")?;
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or("the mail server's address has no host")?;
        let named = !url.username().is_empty();
        let (port, protection) = match (url.scheme(), settings.tls) {
            ("smtps", settings::Tls::Auto) => (url.port().unwrap_or(465), Protection::Implicit),
            ("smtps", settings::Tls::None) => return Err("smtps:// is TLS: write smtp:// for `tls: none`"),
            ("smtp", settings::Tls::None) => (url.port().unwrap_or(25), Protection::None),
            ("smtp", settings::Tls::Auto) => match (url.port(), named) {
                (None | Some(25), false) => (25, Protection::Offered),
                (port, _) => (port.unwrap_or(587), Protection::Required),
            },
            _ => return Err("the mail server's address begins with smtp:// or smtps://"),
        };
        if named && protection == Protection::None {
            return Err("a password would travel in the clear: remove `tls: none` or the password");
        }
        let credentials = if named { Some(credentials(&url)?) } else { None };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, credentials, protection })
    }

    fn tls(&self) -> Result<Tls, lettre::transport::smtp::Error> {
        let parameters = || TlsParameters::new(self.host.clone());
        Ok(match self.protection {
            Protection::Implicit => Tls::Wrapper(parameters()?),
            Protection::Required => Tls::Required(parameters()?),
            Protection::Offered => Tls::Opportunistic(parameters()?),
            Protection::None => Tls::None,
        })
    }
}

/// User and password, with their percent escapes undone.
fn credentials(url: &Url) -> Result<Credentials, &'static str> {
    let decoded = |text: &str| {
        let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    let user = decoded(url.username()).ok_or("the mail server's user cannot be read")?;
    let password = decoded(url.password().unwrap_or_default()).ok_or("the mail server's password cannot be read")?;
    Ok(Credentials::new(user, password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    fn server(smtp: &str, tls: settings::Tls) -> Result<(String, u16, Protection), &'static str> {
        let settings = settings::Email { smtp: Secret::new(smtp), from: String::new(), to: vec![], tls };
        Server::read(&settings).map(|s| (s.host, s.port, s.protection))
    }

    #[test]
    fn protection_follows_from_the_address() {
        use settings::Tls::{Auto, None};
        for (smtp, tls, port, protection) in [
            ("smtps://mail", Auto, 465, Protection::Implicit),
            ("smtp://mail", Auto, 25, Protection::Offered),
            ("smtp://mail:25", Auto, 25, Protection::Offered),
            ("smtp://u:p@mail:25", Auto, 25, Protection::Required),
            ("smtp://u:p@mail", Auto, 587, Protection::Required),
            ("smtp://mail:2525", Auto, 2525, Protection::Required),
            ("smtp://mail:2525", None, 2525, Protection::None),
        ] {
            assert_eq!(server(smtp, tls), Ok(("mail".to_owned(), port, protection)), "{smtp}");
        }
        for (smtp, tls) in
            [("smtps://mail", None), ("smtp://u:p@mail", None), ("http://mail", Auto), ("mail:25", Auto), ("", Auto)]
        {
            assert!(server(smtp, tls).is_err(), "{smtp}");
        }
    }

    #[test]
    fn passwords_are_unescaped() {
        let url = Url::parse("smtp://user%40x:a%2Bb+c&d%25@mail").unwrap();
        let expected = Credentials::new("user@x".to_owned(), "a+b+c&d%".to_owned());
        assert_eq!(credentials(&url).unwrap(), expected);
    }

    #[test]
    fn line_breaks_in_addresses_are_refused() {
        for bad in ["a@example.com\r\nBcc: b@example.com", "a@example.com\nx", "nobody", ""] {
            assert!(matches!(mailbox("mail", bad), Err(BuildError::MailAddress { .. })), "{bad:?}");
        }
    }

    #[test]
    fn list_ids_are_plain() {
        assert_eq!(list_id("API läuft\r\nBcc: x", "example.com"), "<api-l-uft--bcc--x.plimsoll.example.com>");
    }
}
