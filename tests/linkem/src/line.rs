//! One direction of a link as arithmetic over time: when a packet that enters now comes out, if it does.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::relay::Profile;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It comes out at this time, microseconds.
    Arrives(u64),
    /// It is lost on the way, after taking its time on the link.
    Lost,
    /// The queue before the link is full.
    Refused,
}

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Line {
    dice: ChaCha8Rng,
    /// When the link will have taken in all that was offered, microseconds.
    busy_until_us: u64,
    /// Whether a burst of losses is on.
    in_burst: bool,
}

impl Line {
    /// A line whose dice are thrown from this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: ChaCha8Rng::seed_from_u64(seed), busy_until_us: 0, in_burst: false }
    }

    /// A throw from 0 (included) to 1 (excluded).
    fn throw(&mut self) -> f64 {
        (self.dice.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether the next packet is lost. Loss by itself and loss by bursts are independent.
    fn is_lost(&mut self, profile: &Profile) -> bool {
        let by_itself = self.throw() < profile.loss;
        let Some(burst) = profile.burst else { return by_itself };
        let turns = self.throw() < if self.in_burst { burst.leave } else { burst.enter };
        self.in_burst ^= turns;
        by_itself | (self.in_burst && self.throw() < burst.loss)
    }

    /// Decides the fate of a packet of `bytes` that enters at `now_us`. Times must not fall.
    pub(crate) fn offer(&mut self, profile: &Profile, now_us: u64, bytes: usize) -> Fate {
        let start_us = self.busy_until_us.max(now_us);
        let done_us = match profile.rate_bps {
            None => now_us,
            Some(rate_bps) => {
                let waiting_bits = u128::from(start_us - now_us) * u128::from(rate_bps) / 1_000_000;
                if waiting_bits / 8 + bytes as u128 > profile.queue_bytes as u128 {
                    return Fate::Refused;
                }
                start_us + bytes as u64 * 8 * 1_000_000 / rate_bps.max(1)
            }
        };
        self.busy_until_us = done_us;
        let (lost, late) = (self.is_lost(profile), self.throw());
        if lost {
            return Fate::Lost;
        }
        let jitter_us = (f64::from(profile.jitter_ms) * 1_000.0 * late) as u64;
        Fate::Arrives(done_us + u64::from(profile.delay_ms) * 1_000 + jitter_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Burst;

    #[test]
    fn a_clear_line_is_no_line() {
        let mut line = Line::new(1);
        for now_us in [0, 5, 5, 1_000] {
            assert_eq!(line.offer(&Profile::clear(), now_us, 60_000), Fate::Arrives(now_us));
        }
    }

    #[test]
    fn packets_queue_behind_each_other_and_the_queue_has_an_end() {
        let profile = Profile { delay_ms: 10, rate_bps: Some(1_000_000), queue_bytes: 500, ..Profile::clear() };
        let mut line = Line::new(1);
        let fates: Vec<Fate> = (0..5).map(|_| line.offer(&profile, 0, 125)).collect();
        let arrives = [1_000, 2_000, 3_000, 4_000].map(|sent_us| Fate::Arrives(sent_us + 10_000));
        assert_eq!((&fates[..4], fates[4]), (&arrives[..], Fate::Refused));
        assert_eq!(line.offer(&profile, 1_000, 125), Fate::Arrives(15_000), "a place was free again");
        assert_eq!(line.offer(&profile, 60_000, 125), Fate::Arrives(71_000), "an idle line saves nothing up");
    }

    #[test]
    fn loss_is_as_asked_and_a_seed_repeats_it() {
        let profile = Profile { loss: 0.3, jitter_ms: 50, ..Profile::clear() };
        let fates = |seed| {
            let mut line = Line::new(seed);
            (0..10_000).map(|now_us| line.offer(&profile, now_us, 100)).collect::<Vec<_>>()
        };
        let lost = fates(7).iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((2_850..3_150).contains(&lost), "{lost}");
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
    }

    #[test]
    fn losses_in_bursts_come_together_and_add_up_to_the_mean() {
        let burst = Burst { enter: 0.01, leave: 0.09, loss: 1.0 };
        let profile = Profile { burst: Some(burst), ..Profile::clear() };
        let mut line = Line::new(3);
        let lost: Vec<bool> = (0..50_000).map(|now_us| line.offer(&profile, now_us, 100) == Fate::Lost).collect();
        let share = lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64;
        assert!((burst.mean() - 0.1).abs() < 1e-9 && (share - burst.mean()).abs() < 0.02, "{share}");
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        let length = share * lost.len() as f64 / runs;
        assert!((8.0..14.0).contains(&length), "a burst takes 1/leave packets on average, not {length}");
    }
}
