//! Writes YAML: maps, lists and text, no more.

/// A document to be written.
#[derive(Debug, Clone)]
pub(crate) enum Doc {
    /// Text; quoted when it has to be, a block when it is an expression with quotes or several lines.
    Text(String),
    /// A number or a word written as it is.
    Bare(String),
    /// In this order.
    List(Vec<Doc>),
    /// In this order.
    Map(Vec<(String, Doc)>),
}

impl Doc {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Doc)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, doc)| (key.into(), doc)).collect())
    }

    /// The text, ending with a line break.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.trim_start_matches('\n').to_owned()
    }

    /// Writes what follows a `key:` or a `-`, with its line break.
    fn write(&self, out: &mut String, indent: usize) {
        match self {
            Self::Bare(word) => out.push_str(&format!(" {word}\n")),
            Self::Text(text) => write_text(out, text, indent),
            Self::List(items) if items.is_empty() => out.push_str(" []\n"),
            Self::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
            Self::List(items) => {
                out.push('\n');
                items.iter().for_each(|item| item.write_item(out, indent));
            }
            Self::Map(entries) => {
                out.push('\n');
                entries.iter().for_each(|(key, doc)| write_entry(out, key, doc, indent));
            }
        }
    }

    /// `- ` and the item; a map's first key stands on the same line.
    fn write_item(&self, out: &mut String, indent: usize) {
        let pad = " ".repeat(indent);
        let Self::Map(entries) = self else {
            out.push_str(&format!("{pad}-"));
            return self.write(out, indent + 2);
        };
        let mut text = String::new();
        entries.iter().for_each(|(key, doc)| write_entry(&mut text, key, doc, indent + 2));
        out.push_str(&format!("{pad}- {}", text.trim_start()));
    }
}

fn write_entry(out: &mut String, key: &str, doc: &Doc, indent: usize) {
    out.push_str(&format!("{}{}:", " ".repeat(indent), scalar(key)));
    let nested = if matches!(doc, Doc::List(_)) { indent } else { indent + 2 };
    doc.write(out, nested);
}

fn write_text(out: &mut String, text: &str, indent: usize) {
    let printable = text.chars().all(|c| !c.is_control() || c == '\n');
    let blocky = printable && !text.starts_with([' ', '\n']) && !text.ends_with('\n') && !text.is_empty();
    if blocky && (text.contains('\n') || (text.contains('"') && text.len() > 40)) {
        out.push_str(" |-\n");
        for line in text.split('\n') {
            out.push_str(&format!("{}{line}\n", " ".repeat(indent.max(2))));
        }
        return;
    }
    out.push_str(&format!(" {}\n", scalar(text)));
}

/// Plain when no reader could take it for anything else, else in double quotes (JSON's are YAML's).
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let wordy = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if wordy && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_reads_back_the_same() {
        let expr = "sum by (a) (rate(x{b=\"c\"}[5m]))\n> 0.5";
        let doc = Doc::map([
            ("a", Doc::List(vec![Doc::map([("x", Doc::text("on")), ("y", Doc::text(expr))]), Doc::text("- \"q\": {")])),
            ("empty", Doc::List(Vec::new())),
            ("n", Doc::Bare("5".into())),
            ("m", Doc::map([("k: v", Doc::text(""))])),
        ]);
        let text = doc.render();
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "a": [{"x": "on", "y": expr}, "- \"q\": {"], "empty": [], "n": 5, "m": {"k: v": ""},
        });
        assert_eq!(read, expected, "{text}");
    }
}
