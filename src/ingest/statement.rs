//! SQL statements without what they were about.
//!
//! Literals, parameters and comments go; what is left is cut to 100 characters. It is not a parser: on
//! text that is no SQL it removes too much rather than too little.

use std::borrow::Cow;

/// The most characters that are kept.
pub const STATEMENT_CHARS: usize = 100;

/// The statement with `?` for every literal and parameter, single spaces, and at most 100 characters.
pub fn normalise(sql: &str) -> String {
    let mut out = String::with_capacity(STATEMENT_CHARS);
    let mut rest = sql;
    let mut kept = 0;
    while let Some(c) = rest.chars().next() {
        let (token, after) = token(rest, c, out.chars().next_back());
        rest = after;
        let token = if token == " " && (out.is_empty() || out.ends_with(' ')) { "" } else { token };
        for c in token.chars() {
            if kept == STATEMENT_CHARS {
                return out;
            }
            out.push(c);
            kept += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// What the text at the front becomes, and what follows it. `before` is the last character kept.
fn token(rest: &str, c: char, before: Option<char>) -> (&str, &str) {
    let in_word = before.is_some_and(|b| b.is_alphanumeric() || b == '_');
    match c {
        '\'' => ("?", after_quoted(rest, '\'')),
        '"' | '`' => identifier(rest, c),
        '$' if dollar_tag(rest).is_some() => ("?", after_dollar_quoted(rest)),
        '$' | ':' | '@' if before != Some(':') && starts_parameter(rest) => ("?", skip(&rest[1..], is_word)),
        '0'..='9' if !in_word => ("?", skip(rest, |c| is_word(c) || c == '.')),
        '-' if rest.starts_with("--") => (" ", skip(rest, |c| c != '\n')),
        '/' if rest.starts_with("/*") => (" ", rest.split_once("*/").map_or("", |(_, after)| after)),
        _ if c.is_whitespace() || c.is_control() => (" ", skip(rest, |c| c.is_whitespace() || c.is_control())),
        _ => rest.split_at(c.len_utf8()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn skip(text: &str, part: impl Fn(char) -> bool) -> &str {
    text.trim_start_matches(part)
}

/// `$1`, `:name`, `@name`; not the cast `::`.
fn starts_parameter(rest: &str) -> bool {
    rest[1..].starts_with(is_word)
}

/// A quoted identifier stays as it is; one that is never closed is dropped with what follows.
fn identifier(rest: &str, quote: char) -> (&str, &str) {
    match rest[1..].find(quote) {
        Some(end) => rest.split_at(end + 2),
        None => ("", ""),
    }
}

/// What follows a string in which a doubled quote, or one after a backslash, does not end it.
fn after_quoted(rest: &str, quote: char) -> &str {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        let doubled = c == quote && chars.peek().is_some_and(|(_, next)| *next == quote);
        if c == '\\' || doubled {
            chars.next();
        } else if c == quote {
            return &rest[i + 1..];
        }
    }
    ""
}

/// The tag of PostgreSQL's `$tag$ … $tag$`, with both dollars.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    let name = &rest[1..end - 1];
    (!name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_word)).then(|| &rest[..end])
}

fn after_dollar_quoted(rest: &str) -> &str {
    dollar_tag(rest).and_then(|tag| rest[tag.len()..].split_once(tag)).map_or("", |(_, after)| after)
}

/// The operation a statement begins with (`SELECT`, `INSERT`, …), if it is a known one.
pub fn operation(sql: &str) -> Option<Cow<'static, str>> {
    const KNOWN: [&str; 14] = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "COPY", "CREATE",
        "ALTER", "DROP", "CALL",
    ];
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next()?;
    KNOWN.into_iter().find(|k| k.eq_ignore_ascii_case(word)).map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_parameters_go() {
        for (sql, expected) in [
            ("SELECT * FROM t WHERE a = 'x''y' AND b=12.5", "SELECT * FROM t WHERE a = ? AND b=?"),
            ("select  a\n\tfrom t1 where id=$1", "select a from t1 where id=?"),
            ("SELECT :name, @p1, a::text", "SELECT ?, ?, a::text"),
            ("SELECT 'it\\'s' -- secret\nFROM x", "SELECT ? FROM x"),
            ("SELECT /* user=7 */ 1", "SELECT ?"),
            ("SELECT $tag$ secret $tag$, \"Order\".id", "SELECT ?, \"Order\".id"),
            ("SELECT 'never closed", "SELECT ?"),
            ("SELECT 0xFFAA, 1e9, t2.c3", "SELECT ?, ?, t2.c3"),
            ("", ""),
        ] {
            assert_eq!(normalise(sql), expected, "{sql}");
        }
    }

    #[test]
    fn is_cut_to_100_characters() {
        let long = format!("SELECT {}", "ä, ".repeat(100));
        assert_eq!(normalise(&long).chars().count(), STATEMENT_CHARS);
    }

    #[test]
    fn the_operation_is_one_of_few() {
        assert_eq!(operation(" select 1").as_deref(), Some("SELECT"));
        assert_eq!(operation("with x as (select 1) select 2").as_deref(), Some("WITH"));
        assert_eq!(operation("FROBNICATE"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_literal_survives_and_nothing_panics(before in "[a-z$'\"/*: -]{0,20}", secret in "[0-9]{6}") {
            let sql = format!("SELECT '{secret}' {before} {secret} 'x{secret}");
            proptest::prop_assert!(normalise(&sql).chars().count() <= STATEMENT_CHARS);
            let plain = normalise(&format!("SELECT '{secret}', {secret}, \"a\""));
            proptest::prop_assert_eq!(plain, "SELECT ?, ?, \"a\"");
        }
    }
}
