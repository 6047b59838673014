//! Logs: text for people, JSON for machines.

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::traces::Traces;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default)]
pub struct LogSettings {
    /// A filter in the form of `RUST_LOG` (`info,plimsoll::notify=debug`); empty means `info`.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Whether text is coloured: standard error is a terminal.
    pub colour: bool,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("the log filter {filter:?} is not valid: expected for example info,plimsoll::notify=debug")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Another subscriber is installed.
    #[error("logging has begun already")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Begins to log to standard error, and to record spans into `traces` if given, for the whole process.
///
/// # Errors
/// When the filter is not valid, or it was called before.
pub fn install(settings: &LogSettings, traces: Option<&Traces>) -> Result<(), LogError> {
    let spans = traces.map(Traces::layer);
    let subscriber = Registry::default().with(spans).with(layer(settings, std::io::stderr)?);
    Ok(tracing::subscriber::set_global_default(subscriber)?)
}

/// The layer that writes lines to `writer`.
fn layer<S, W>(settings: &LogSettings, writer: W) -> Result<Box<dyn Layer<S> + Send + Sync>, LogError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = if settings.filter.trim().is_empty() { "info" } else { settings.filter.as_str() };
    let filter =
        EnvFilter::try_new(filter).map_err(|source| LogError::Filter { filter: settings.filter.clone(), source })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match settings.format {
        LogFormat::Text => lines.with_ansi(settings.colour).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).with_filter(filter).boxed(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let settings = LogSettings { filter: filter.into(), format, colour: false };
        let subscriber = Registry::default().with(layer(&settings, move || writer.clone()).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(answer = 42, "told");
            tracing::debug!("hidden");
        });
        let bytes = memory.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_and_json_through_the_filter() {
        let text = logged("", LogFormat::Text);
        assert!(text.contains("INFO") && text.contains("told answer=42") && !text.contains("hidden"), "{text}");
        let line: serde_json::Value = serde_json::from_str(&logged("info", LogFormat::Json)).unwrap();
        assert_eq!((&line["message"], &line["answer"]), (&"told".into(), &42.into()));
        assert!(logged("debug", LogFormat::Text).contains("hidden"));
        assert_eq!(logged("off", LogFormat::Text), "");
    }

    #[test]
    fn a_bad_filter_is_refused() {
        let settings = LogSettings { filter: "plimsoll=loudly".into(), ..LogSettings::default() };
        let error = install(&settings, None).unwrap_err();
        assert!(error.to_string().contains("plimsoll=loudly"), "{error}");
    }
}
