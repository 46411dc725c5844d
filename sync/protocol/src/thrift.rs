//! When bulk may go on a node that saves power: all of it together, now and then, so that the radio can sleep between.

/// The gate through which classes P3 and later go. It opens and closes at ticks.
#[derive(Debug)]
pub(crate) struct Thrift {
    /// From one opening to the next at the earliest, microseconds; 0: it is always open.
    every_us: u64,
    opened_us: Option<u64>,
    open: bool,
}

impl Default for Thrift {
    fn default() -> Self {
        Self { every_us: 0, opened_us: None, open: true }
    }
}

impl Thrift {
    /// Whether bulk may go now.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// What power allows from now on. What is under way goes on: stopping in its midst would cost the start again.
    pub(crate) fn set(&mut self, every_s: u32) {
        self.every_us = u64::from(every_s) * 1_000_000;
        self.open |= every_s == 0;
    }

    /// Time has passed. `bulk`: whether there is any to send or under way.
    pub(crate) fn tick(&mut self, now_us: u64, bulk: bool) {
        if self.every_us == 0 {
            return;
        }
        let due = self.opened_us.is_none_or(|opened_us| now_us.saturating_sub(opened_us) >= self.every_us);
        match (self.open, bulk) {
            (true, false) => self.open = false,
            (false, true) if due => (self.open, self.opened_us) = (true, Some(now_us)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_goes_together_and_then_waits_until_it_is_time() {
        let mut thrift = Thrift::default();
        assert!(thrift.is_open(), "without need to save it is always open");
        thrift.set(60);
        let mut at = |second: u64, bulk| {
            thrift.tick(second * 1_000_000, bulk);
            thrift.is_open()
        };
        assert!(at(1, true), "what is under way goes on");
        assert!(!at(2, false));
        assert!(at(3, true), "the first time there is nothing to wait for");
        assert!(at(30, true), "it stays open until all has gone");
        assert!(!at(31, false));
        assert!(!at(62, true));
        assert!(at(63, true));
        thrift.set(0);
        assert!(thrift.is_open());
    }
}
