//! The rows: which goals there are, and which function measures which.

mod bulk;
mod bytes;
mod goodput;
mod idle;

use std::time::Instant;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::Bench;
use crate::report::{Goal, Row, number};

/// A goal of the design.
pub(crate) struct Measure {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

const fn measure_of(id: &'static str, name: &'static str, unit: &'static str, goal: Goal) -> Measure {
    Measure { id, name, unit, goal }
}

impl Measure {
    pub(crate) fn row(&self, value: Option<f64>, conditions: String) -> Row {
        Row {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            value,
            unit: self.unit.to_owned(),
            goal: self.goal,
            floor: None,
            conditions,
            peers: std::collections::BTreeMap::new(),
            met: value.is_some_and(|value| self.goal.is_met(value)),
            note: String::new(),
            parts: std::collections::BTreeMap::new(),
        }
    }
}

/// Goals that one function measures.
pub(crate) struct Group {
    pub(crate) measures: &'static [Measure],
    run: fn(&Bench, &[Measure], &ProgressBar) -> Result<Vec<Row>>,
}

impl Group {
    /// Whether one of its goals is among these numbers.
    pub(crate) fn touches(&self, numbers: &[u32]) -> bool {
        let number = |measure: &Measure| measure.id.trim_end_matches(char::is_alphabetic).parse().unwrap_or(0);
        self.measures.iter().any(|measure| numbers.contains(&number(measure)))
    }
}

pub(crate) const GROUPS: &[Group] = &[
    Group {
        measures: &[measure_of("1", "wire bytes, cold, on a long history", "× B0", Goal::AtMost(1.25))],
        run: bytes::cold,
    },
    Group {
        measures: &[
            measure_of("2", "wire bytes, 20 edits among 1,000 streams, live", "× B0", Goal::AtMost(2.0)),
            measure_of("3a", "bytes when nothing is missing, live, each way", "B", Goal::AtMost(100.0)),
            measure_of("3b", "bytes when nothing is missing, on reconnect", "B", Goal::AtMost(4_000.0)),
        ],
        run: bytes::live,
    },
    Group {
        measures: &[measure_of("6", "goodput at 30 % loss", "× C(1−p)", Goal::AtLeast(0.85))],
        run: goodput::lossy,
    },
    Group { measures: &[measure_of("10", "idle overhead at 9.6 kbit/s", "%", Goal::AtMost(1.0))], run: idle::idle },
];

/// Measures a group; what fails becomes rows without a value that say why.
pub(crate) fn measure(bench: &Bench, group: &Group) -> Vec<Row> {
    let ids: Vec<&str> = group.measures.iter().map(|measure| measure.id).collect();
    let bar = ProgressBar::new_spinner().with_prefix(ids.join(", "));
    bar.set_style(ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed}").expect("a template"));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let start = Instant::now();
    let rows = (group.run)(bench, group.measures, &bar).unwrap_or_else(|error| {
        let failed = |measure: &Measure| measure.row(None, String::new()).note(&format!("failed: {error:#}"));
        group.measures.iter().map(failed).collect()
    });
    bar.finish_and_clear();
    for row in &rows {
        let value = number(row.value);
        println!(
            "{:>3}  {value:>9} {:<9} {}  ({:.0} s) {}",
            row.id,
            row.unit,
            row.name,
            start.elapsed().as_secs_f64(),
            row.note
        );
    }
    rows
}
