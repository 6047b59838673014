//! Mail as we send it: RFC 5322 headers, two alternative parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Page;
use super::form::Problems;

/// Headers that must be there exactly once.
const REQUIRED: [&str; 10] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
];

/// The headers, unfolded, and the rest.
fn split(message: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let pairs = unfolded.split("\r\n").filter_map(|line| line.split_once(':'));
    (pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(), body)
}

fn get<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

pub(super) fn check(message: &[u8]) -> Result<Page, Vec<String>> {
    let problems = Problems::default();
    let Ok(message) = std::str::from_utf8(message) else {
        problems.add("the message is not ASCII");
        return problems.result(Page { action: String::new(), key: String::new(), text: String::new() });
    };
    let (headers, body) = split(message);
    for name in REQUIRED {
        let times = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count();
        problems.expect(times == 1, &format!("the header {name} is there {times} times"));
    }
    problems.expect(message.is_ascii(), "the message is not ASCII");
    problems.expect(message.split("\r\n").all(|line| line.len() <= 998), "a line is longer than 998 characters");
    let id = get(&headers, "Message-ID");
    problems.expect(is_id(id) && is_id(get(&headers, "In-Reply-To")), "an id is not of the form <left@right>");
    problems.expect(get(&headers, "In-Reply-To") == get(&headers, "References"), "References is not the thread's root");
    let text = first_part(get(&headers, "Content-Type"), body, &problems);
    let line = text.lines().next().unwrap_or_default();
    let text = format!("{} – {line}", words(get(&headers, "Subject")));
    problems.result(Page { action: "mail".to_owned(), key: id.to_owned(), text })
}

fn is_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
    inner.is_some_and(|t| t.matches('@').count() == 1 && !t.contains([' ', '<', '>']))
}

/// The text of the first of two alternatives, which must be plain before HTML.
fn first_part(kind: &str, body: &str, problems: &Problems) -> String {
    let boundary = kind.split(';').find_map(|p| p.trim().strip_prefix("boundary=")).unwrap_or_default();
    problems.expect(kind.starts_with("multipart/alternative;") && !boundary.is_empty(), "not multipart/alternative");
    let mark = format!("--{}", boundary.trim_matches('"'));
    let parts: Vec<&str> = body.split(mark.as_str()).skip(1).filter(|p| !p.starts_with("--")).collect();
    let parts: Vec<_> = parts.iter().map(|p| split(p.trim_start_matches("\r\n"))).collect();
    let kinds: Vec<&str> = parts.iter().map(|(headers, _)| get(headers, "Content-Type")).collect();
    let good = matches!(kinds[..], [a, b] if a.starts_with("text/plain") && b.starts_with("text/html"));
    problems.expect(good, "the parts are not text/plain and text/html");
    let Some((headers, text)) = parts.first() else { return String::new() };
    match get(headers, "Content-Transfer-Encoding") {
        "quoted-printable" => quoted(text, '='),
        "base64" => base64_text(&text.replace("\r\n", "")),
        _ => (*text).to_owned(),
    }
}

fn base64_text(text: &str) -> String {
    String::from_utf8_lossy(&STANDARD.decode(text).unwrap_or_default()).into_owned()
}

/// RFC 2045, section 6.7.
fn quoted(text: &str, mark: char) -> String {
    let joined = text.replace(&format!("{mark}\r\n"), "");
    let mut pieces = joined.split(mark);
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(piece.as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// RFC 2047, as far as our own library writes it: UTF-8 in base64.
fn words(text: &str) -> String {
    let joined = text.replace("?= =?", "?==?");
    let mut pieces = joined.split("=?utf-8?b?");
    let mut said = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_once("?=").unwrap_or((piece, ""));
        said.push_str(&base64_text(code));
        said.push_str(rest);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_encoded_words_and_quoted_text() {
        assert_eq!(words("[Plimsoll] =?utf-8?b?bMOkdQ==?= =?utf-8?b?ZnQ=?= x"), "[Plimsoll] läuft x");
        assert_eq!(quoted("l=C3=A4u=\r\nft =3D", '='), "läuft =");
    }
}
