//! `pg_settings`: what is configured, in bytes and seconds, and the limit of connections that follows.

use super::Writer;
use super::row::Row;

pub(super) fn write(out: &mut Writer<'_>) {
    let rows = out.rows("pg_settings");
    for row in rows.clone() {
        let Some(name) = row.text("name") else { continue };
        let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if let Some((value, suffix)) = normalised(&row) {
            out.put(&format!("settings_{clean}{suffix}"), &[], value);
        }
    }
    let find =
        |name: &str| rows.clone().find(|row| row.text("name") == Some(name)).and_then(|row| row.number("setting"));
    if let Some(all) = find("max_connections") {
        let kept = ["superuser_reserved_connections", "reserved_connections"].into_iter().filter_map(find).sum::<f64>();
        out.put("client_connections_limit", &[], all - kept);
    }
}

/// The value in its base unit and the suffix that says so; `None` for texts and enumerations.
fn normalised(row: &Row<'_>) -> Option<(f64, &'static str)> {
    if row.text("vartype") == Some("bool") {
        return Some((f64::from(u8::from(row.text("setting") == Some("on"))), ""));
    }
    let value = row.number("setting")?;
    let Some(unit) = row.text("unit") else { return Some((value, "")) };
    let (factor, suffix) = unit_factor(unit)?;
    // -1 means "off" or "as the other setting says" and is no amount.
    Some((if value < 0.0 { value } else { value * factor }, suffix))
}

/// Reads `8kB`, `MB`, `ms`, `min`.
fn unit_factor(unit: &str) -> Option<(f64, &'static str)> {
    let digits = unit.find(|c: char| !c.is_ascii_digit()).unwrap_or(unit.len());
    let count = if digits == 0 { 1.0 } else { unit[..digits].parse::<f64>().ok()? };
    let (one, suffix) = match &unit[digits..] {
        "B" => (1.0, "_bytes"),
        "kB" => (1024.0, "_bytes"),
        "MB" => (1024.0 * 1024.0, "_bytes"),
        "GB" => (1024.0 * 1024.0 * 1024.0, "_bytes"),
        "TB" => (1024.0 * 1024.0 * 1024.0 * 1024.0, "_bytes"),
        "us" => (1e-6, "_seconds"),
        "ms" => (1e-3, "_seconds"),
        "s" => (1.0, "_seconds"),
        "min" => (60.0, "_seconds"),
        "h" => (3600.0, "_seconds"),
        "d" => (86_400.0, "_seconds"),
        _ => return None,
    };
    Some((count * one, suffix))
}
