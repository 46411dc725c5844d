//! What people read: tables, times, and what to do when there is nothing.

use serde_json::Value;

use crate::cli::Global;

/// A column: its head and where its text comes from.
pub type Column = (&'static str, fn(&Value) -> String);

/// Prints a list, as a table or as JSON; when it is empty, what to do next.
pub fn list(global: &Global, items: &[Value], total: u64, columns: &[Column], empty: &str) {
    if global.json {
        println!("{}", Value::Array(items.to_vec()));
        return;
    }
    if items.is_empty() {
        println!("{empty}");
        return;
    }
    table(items, columns);
    if (items.len() as u64) < total {
        println!("{} of {total}; --limit N or --all shows more", items.len());
    }
}

fn table(items: &[Value], columns: &[Column]) {
    let mut rows: Vec<Vec<String>> = vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect()];
    rows.extend(items.iter().map(|item| columns.iter().map(|(_, text)| text(item)).collect()));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// Prints one record, as lines or as JSON.
pub fn record(global: &Global, item: &Value) {
    if global.json {
        println!("{item}");
        return;
    }
    for (name, value) in item.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::Number(ms) if name.ends_with("_ms") => time(ms.as_u64().unwrap_or(0)),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        println!("{name:<20} {text}");
    }
}

/// A field as text.
pub fn text(item: &Value, field: &str) -> String {
    match &item[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        other => other.to_string(),
    }
}

/// A time in UTC.
pub fn time(ms: u64) -> String {
    let stamp = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(|| "-".to_owned(), |stamp| stamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// How long ago, by the node's own clock.
pub fn ago(now_ms: u64, then_ms: Option<u64>) -> String {
    let Some(then_ms) = then_ms else { return "never".to_owned() };
    match now_ms.saturating_sub(then_ms) / 1000 {
        0..=1 => "now".to_owned(),
        seconds @ 2..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7_199 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}
