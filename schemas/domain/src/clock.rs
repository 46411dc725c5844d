//! Time: what the one clock says, and the hybrid logical clock that orders what people did.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::CLOCK_DRAG_MS_MAX;

/// One reading of the machine's clocks, taken once per step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Monotonic microseconds since an arbitrary start; timers use this.
    pub mono_us: u64,
    /// Wall clock, Unix milliseconds; may jump, may be 1970.
    pub wall_ms: u64,
}

/// A hybrid logical timestamp: 48 bits of Unix milliseconds over 16 bits of counter.
/// (Kulkarni et al., "Logical Physical Clocks", 2014.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// From milliseconds (the low 48 bits count) and a counter.
    pub fn new(ms: u64, counter: u16) -> Self {
        Self(ms << 16 | u64::from(counter))
    }

    /// Unix milliseconds.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }
}

/// The node's hybrid clock. Its newest value is persisted, so a reboot never steps back behind its own words.
#[derive(Debug, Clone)]
pub struct Clock {
    last: Hlc,
}

impl Clock {
    /// Starts from the boot floor: the newest of what was persisted, the build's time and a trusted outside time.
    pub fn new(floor: Hlc) -> Self {
        Self { last: floor }
    }

    /// A timestamp for a local change, greater than all given or seen before.
    pub fn tick(&mut self, now: Now) -> Hlc {
        self.last = Hlc(Hlc::new(now.wall_ms, 0).0.max(self.last.0 + 1));
        self.last
    }

    /// Takes note of a timestamp from elsewhere. It never drags this clock more than a minute past its own reading,
    /// and it never refuses anything: a lying clock costs order, not data.
    pub fn observe(&mut self, remote: Hlc, now: Now) {
        let ceiling = Hlc::new(self.last.ms().max(now.wall_ms) + CLOCK_DRAG_MS_MAX, 0);
        if remote > self.last && remote <= ceiling {
            self.last = remote;
        }
    }

    /// The newest value given or accepted; persist this.
    pub fn last(&self) -> Hlc {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Now = Now { mono_us: 0, wall_ms: 1_700_000_000_000 };

    #[test]
    fn ticks_rise_though_the_wall_clock_falls_back_to_1970() {
        let mut clock = Clock::new(Hlc::default());
        let before = clock.tick(NOON);
        let after = clock.tick(Now::default());
        assert!(after > before);
    }

    #[test]
    fn a_peer_from_the_future_does_not_drag_the_clock() {
        let mut clock = Clock::new(Hlc::default());
        clock.tick(NOON);
        clock.observe(Hlc::new(NOON.wall_ms + 3_600_000, 0), NOON);
        assert_eq!(clock.tick(NOON).ms(), NOON.wall_ms);
        clock.observe(Hlc::new(NOON.wall_ms + 30_000, 0), NOON);
        assert_eq!(clock.tick(NOON).ms(), NOON.wall_ms + 30_000);
    }
}
