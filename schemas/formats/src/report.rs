//! The rows that an import leaves out, and what it wants people to know.

use holdfast_domain::api::RejectedRow;
use holdfast_domain::limits::IMPORT_REJECTED_ROWS_MAX;

/// Rejected rows in the order of the file, the first [`IMPORT_REJECTED_ROWS_MAX`] by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rejects {
    pub(crate) rows: Vec<RejectedRow>,
    pub(crate) total: u64,
}

impl Rejects {
    /// Leaves out the row at `line` for this reason.
    pub(crate) fn push(&mut self, line: u64, reason: impl Into<String>) {
        self.total += 1;
        if self.rows.len() < IMPORT_REJECTED_ROWS_MAX {
            self.rows.push(RejectedRow { line, reason: reason.into() });
        }
    }
}

/// A text of the file as a reason may quote it: one line, at most 60 characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut out: String = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}
