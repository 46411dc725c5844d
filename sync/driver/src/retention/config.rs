//! Settings of what is kept.

use holdfast_domain::limits::{GENERATION_BYTES_MAX, GENERATION_CHANGES_MAX};
use holdfast_domain::scope::{Family, StreamKind};
use serde::{Deserialize, Serialize};

use crate::config::BadSetting;

/// How long a node keeps what the command post holds for good, and when the command post rolls a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days for which the changes of a document are kept after it was rolled. Default 7: time enough for a node that was
    /// away to bring what it wrote meanwhile and to be served whole by anybody. 0 drops them at once.
    pub document_days: u32,
    /// Days for which messages are kept after the command post has them. Default 90.
    pub message_days: u32,
    /// Hours for which every fix of position history is kept after the command post has it. Default 24; then one in ten
    /// seconds is.
    pub track_full_hours: u32,
    /// Days for which one fix in ten seconds is kept. Default 7; then only the way is, to within 5 m.
    pub track_sampled_days: u32,
    /// Days for which the way is kept. Default 365.
    pub track_days: u32,
    /// Changes after which a document is rolled. Default and most: 50,000; at least 100.
    pub generation_changes_max: u64,
    /// Bytes of a saved document at which it is rolled. Default and most: 2 MiB; at least 4 KiB.
    pub generation_bytes_max: usize,
    /// How long, in seconds, the command post waits for the author of a late edit to say it again, before it does so
    /// itself. Default 600.
    pub late_wait_s: u64,
    /// How long, in seconds, a command post that is in touch with others waits for entries that nobody brings and a floor
    /// covers, before it goes on without them. Default 86,400. Other nodes do not wait: the command post has them.
    pub reset_wait_s: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            document_days: 7,
            message_days: 90,
            track_full_hours: 24,
            track_sampled_days: 7,
            track_days: 365,
            generation_changes_max: GENERATION_CHANGES_MAX,
            generation_bytes_max: GENERATION_BYTES_MAX,
            late_wait_s: 600,
            reset_wait_s: 86_400,
        }
    }
}

const HOUR_MS: u64 = 3600 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Nobody means more than a hundred years.
const DAYS_MAX: u32 = 36_500;
/// Start entries count as changes; below this a start might be due for a roll itself.
const GENERATION_CHANGES_MIN: u64 = 100;
const GENERATION_BYTES_MIN: usize = 4 << 10;

impl Retention {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), BadSetting> {
        let bad = |field, fault| Err(BadSetting { field, fault });
        for (field, days) in [
            ("retention.document_days", self.document_days),
            ("retention.message_days", self.message_days),
            ("retention.track_sampled_days", self.track_sampled_days),
            ("retention.track_days", self.track_days),
        ] {
            if days > DAYS_MAX {
                return bad(field, format!("is {days}; give at most {DAYS_MAX} days"));
            }
        }
        if self.track_full_hours > 24 * DAYS_MAX {
            let fault = format!("is {}; give at most {} hours", self.track_full_hours, 24 * DAYS_MAX);
            return bad("retention.track_full_hours", fault);
        }
        let changes = GENERATION_CHANGES_MIN..=GENERATION_CHANGES_MAX;
        if !changes.contains(&self.generation_changes_max) {
            let fault = format!("is {}; give {changes:?} changes", self.generation_changes_max);
            return bad("retention.generation_changes_max", fault);
        }
        let bytes = GENERATION_BYTES_MIN..=GENERATION_BYTES_MAX;
        if !bytes.contains(&self.generation_bytes_max) {
            let fault = format!("is {}; give {bytes:?} bytes", self.generation_bytes_max);
            return bad("retention.generation_bytes_max", fault);
        }
        Ok(())
    }

    /// How long entries of this kind are kept once a floor covers them, milliseconds.
    pub(crate) fn age_ms(&self, kind: StreamKind) -> u64 {
        let days = |days: u32| u64::from(days) * DAY_MS;
        match kind {
            StreamKind::Track => u64::from(self.track_full_hours) * HOUR_MS,
            StreamKind::TrackSampled => days(self.track_sampled_days),
            StreamKind::TrackSimplified => days(self.track_days),
            _ if kind.family() == Family::Document => days(self.document_days),
            _ => days(self.message_days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_bounds_is_told_with_the_bounds() {
        assert_eq!(Retention::default().check(), Ok(()));
        let told = |retention: Retention| retention.check().expect_err("wrong").to_string();
        let days = told(Retention { track_days: 40_000, ..Retention::default() });
        assert_eq!(days, "retention.track_days is 40000; give at most 36500 days");
        let hours = told(Retention { track_full_hours: 1_000_000, ..Retention::default() });
        assert_eq!(hours, "retention.track_full_hours is 1000000; give at most 876000 hours");
        let changes = told(Retention { generation_changes_max: 60_000, ..Retention::default() });
        assert_eq!(changes, "retention.generation_changes_max is 60000; give 100..=50000 changes");
    }
}
