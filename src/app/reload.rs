//! Takes a new configuration while the service runs.

use std::sync::Arc;

use crate::alert::Desk;
use crate::base::SharedClock;
use crate::base::clock::BoxFuture;
use crate::config::{ConfigErrors, Loaded, Service};
use crate::http::Reload;
use crate::series::View;

use super::settings;

/// Reads the configuration that the service was started from.
pub type Read = Arc<dyn Fn() -> Result<Loaded, ConfigErrors> + Send + Sync>;

/// What a new configuration reaches.
pub(super) struct Reloader {
    pub(super) read: Option<Read>,
    pub(super) desk: Arc<Desk>,
    pub(super) view: Arc<View>,
    pub(super) clock: SharedClock,
    pub(super) service: Service,
}

impl Reloader {
    /// Takes objectives and escalations; what else changed is named in the log and holds from the next
    /// start. The old configuration stays when the new one does not compile or cannot be stored.
    async fn take(&self, loaded: Loaded) -> anyhow::Result<()> {
        let compiled = settings::compile(&loaded.objectives.objectives)?;
        self.desk.reload(compiled.clone(), loaded.objectives.escalations, self.clock.now()).await?;
        self.view.set_catalog(settings::catalog(&compiled));
        if loaded.service != self.service {
            tracing::warn!("the service file changed beyond its objectives: that part holds from the next start");
        }
        Ok(())
    }

    async fn read_and_take(&self) -> Result<(), String> {
        let read = self.read.as_ref().ok_or("there is no configuration to read again")?;
        let loaded = read().map_err(|errors| errors.to_string())?;
        self.take(loaded).await.map_err(|error| format!("{error:#}"))
    }
}

impl Reload for Reloader {
    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let result = self.read_and_take().await;
            match &result {
                Ok(()) => tracing::info!("configuration reloaded"),
                Err(error) => tracing::error!("configuration not reloaded, the old one stays: {error}"),
            }
            result
        })
    }
}
