//! The rows: which goals there are, and which function measures which.

pub(crate) mod bounds;
mod bulk;
mod bytes;
mod contact;
mod cost;
mod goodput;
mod idle;
mod mesh;
mod size;
mod urgent;

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
        measures: &[measure_of("4", "time to converge, line of 8 to the hub", "× T0", Goal::AtMost(1.3))],
        run: mesh::line,
    },
    Group {
        measures: &[
            measure_of("5a", "first P0 item, warm", "× (R + size/C)", Goal::AtMost(1.5)),
            measure_of("5b", "first P0 item, cold", "× (R + size/C)", Goal::AtMost(3.0)),
        ],
        run: urgent::first,
    },
    Group {
        measures: &[measure_of("6", "goodput at 30 % loss", "× C(1−p)", Goal::AtLeast(0.85))],
        run: goodput::lossy,
    },
    Group {
        measures: &[
            measure_of("7a", "useful bytes of a 5 s contact, warm", "× C(1−p)t", Goal::AtLeast(0.8)),
            measure_of("7b", "useful bytes of a 5 s contact, cold", "× C(1−p)t", Goal::AtLeast(0.6)),
        ],
        run: contact::contact,
    },
    Group {
        measures: &[measure_of("8", "re-sent after a cut", "× (packet + R·C)", Goal::AtMost(1.0))],
        run: contact::resent,
    },
    Group {
        measures: &[measure_of("9", "P0 delay behind bulk", "× (2 packets/C + R/2)", Goal::AtMost(1.0))],
        run: urgent::behind_bulk,
    },
    Group { measures: &[measure_of("10", "idle overhead at 9.6 kbit/s", "%", Goal::AtMost(1.0))], run: idle::idle },
    Group {
        measures: &[measure_of("11", "first useful byte after an outage", "s", Goal::AtMost(1.9))],
        run: urgent::after_outage,
    },
    Group { measures: &[measure_of("12", "received ÷ unique, mesh of 8", "×", Goal::AtMost(1.1))], run: mesh::mesh },
    Group {
        measures: &[measure_of("13", "signed metadata per 20-byte event, 32 per batch", "B", Goal::AtMost(12.0))],
        run: cost::metadata,
    },
    Group {
        measures: &[measure_of("14", "resident memory of a large node", "MB", Goal::AtMost(150.0))],
        run: size::memory,
    },
    Group {
        measures: &[
            measure_of("15a", "durable local write, p99 beyond the disk's", "ms", Goal::AtMost(10.0)),
            measure_of("15b", "items for each fsync under load", "", Goal::AtLeast(50.0)),
        ],
        run: cost::writes,
    },
    Group {
        measures: &[measure_of("16", "wire bytes per relayed 1 Hz fix", "B", Goal::AtMost(6.0))],
        run: cost::positions,
    },
    Group {
        measures: &[measure_of("20", "simulated node-hours per CPU-hour", "", Goal::AtLeast(1_000.0))],
        run: size::world,
    },
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
