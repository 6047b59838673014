//! Panels.

use serde_json::{Value, json};

use crate::base::Severity;

/// How a panel draws.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    Lines,
    Number,
    Gauge,
    Table,
    Bars,
}

/// Grafana's name of a unit.
pub(super) mod unit {
    pub(in super::super) const SECONDS: &str = "s";
    pub(in super::super) const RATIO: &str = "percentunit";
    pub(in super::super) const PER_SECOND: &str = "ops";
    pub(in super::super) const BYTES: &str = "bytes";
    pub(in super::super) const BYTES_PER_SECOND: &str = "Bps";
    pub(in super::super) const NUMBER: &str = "short";
}

/// One panel.
pub(super) struct Panel {
    title: String,
    description: &'static str,
    draw: Draw,
    unit: &'static str,
    queries: Vec<(String, &'static str)>,
    thresholds: Vec<(f64, Severity)>,
    good_is_high: bool,
    max: Option<f64>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The data source that the viewer chose.
pub(super) fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Panel {
    pub(super) fn new(draw: Draw, title: impl Into<String>, unit: &'static str) -> Self {
        let (width, height) = match draw {
            Draw::Lines | Draw::Table => (12, 8),
            Draw::Number | Draw::Gauge => (4, 5),
            Draw::Bars => (12, 8),
        };
        Self {
            title: title.into(),
            description: "",
            draw,
            unit,
            queries: Vec::new(),
            thresholds: Vec::new(),
            good_is_high: false,
            max: None,
            width,
            height,
        }
    }

    /// One query with its legend.
    pub(super) fn query(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.queries.push((expr.into(), legend));
        self
    }

    pub(super) fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    pub(super) fn wide(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    pub(super) fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    /// Lines at these values; high is bad.
    pub(super) fn bad_above(mut self, thresholds: Vec<(f64, Severity)>) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Lines at these values; low is bad.
    pub(super) fn bad_below(mut self, thresholds: Vec<(f64, Severity)>) -> Self {
        (self.thresholds, self.good_is_high) = (thresholds, true);
        self
    }

    pub(super) fn json(&self, id: u32, x: u32, y: u32) -> Value {
        let kind = match self.draw {
            Draw::Lines => "timeseries",
            Draw::Number => "stat",
            Draw::Gauge => "gauge",
            Draw::Table => "table",
            Draw::Bars => "bargauge",
        };
        json!({
            "id": id,
            "type": kind,
            "title": self.title,
            "description": self.description,
            "datasource": source(),
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": self.targets(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": self.options(),
        })
    }

    fn targets(&self) -> Vec<Value> {
        let instant = self.draw != Draw::Lines;
        let format = if self.draw == Draw::Table { "table" } else { "time_series" };
        let target = |(i, (expr, legend)): (usize, &(String, &'static str))| {
            json!({
                "refId": char::from(b'A' + (i % 26) as u8).to_string(),
                "datasource": source(),
                "expr": expr,
                "legendFormat": legend,
                "instant": instant,
                "range": !instant,
                "format": format,
                "editorMode": "code",
            })
        };
        self.queries.iter().enumerate().map(target).collect()
    }

    fn defaults(&self) -> Value {
        let mut defaults = json!({
            "unit": self.unit,
            "min": 0,
            "noValue": "no data",
            "color": {"mode": if self.draw == Draw::Lines { "palette-classic" } else { "thresholds" }},
            "thresholds": {"mode": "absolute", "steps": self.steps()},
        });
        if let Some(max) = self.max {
            defaults["max"] = json!(max);
        }
        if self.draw == Draw::Lines {
            let style = if self.thresholds.is_empty() { "off" } else { "line" };
            defaults["custom"] = json!({
                "lineWidth": 1, "fillOpacity": 8, "spanNulls": false, "showPoints": "never",
                "thresholdsStyle": {"mode": style},
            });
        }
        defaults
    }

    /// From the lowest value up: a colour holds from its value on.
    fn steps(&self) -> Vec<Value> {
        let colour = |severity: Severity| match severity {
            Severity::Warning => "orange",
            Severity::Critical => "red",
        };
        let mut lines = self.thresholds.clone();
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines.dedup_by(|a, b| a.0 == b.0);
        if !self.good_is_high {
            let base = std::iter::once(json!({"color": "green", "value": null}));
            return base.chain(lines.iter().map(|(v, s)| json!({"color": colour(*s), "value": v}))).collect();
        }
        let mut steps = Vec::new();
        let mut from = Value::Null;
        for (value, severity) in &lines {
            steps.push(json!({"color": colour(*severity), "value": from}));
            from = json!(value);
        }
        steps.push(json!({"color": "green", "value": from}));
        steps
    }

    fn options(&self) -> Value {
        let reduce = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match self.draw {
            Draw::Lines => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Draw::Number => json!({"colorMode": "value", "graphMode": "none", "reduceOptions": reduce}),
            Draw::Gauge => json!({"reduceOptions": reduce, "showThresholdMarkers": true}),
            Draw::Bars => json!({"displayMode": "basic", "orientation": "horizontal", "reduceOptions": reduce}),
            Draw::Table => json!({"showHeader": true}),
        }
    }
}
