//! One column of a segment: each number is guessed from those before it, and only how far the guess is off is coded.

use super::coder::{Chance, Coder};

/// How a number is guessed from the three before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// As the last.
    Hold,
    /// On by as much as the last step.
    Step,
    /// On by the mean of the last two steps.
    TwoSteps,
    /// On by the step that other columns tell of; as the last where they tell of none.
    Told,
}

impl Guess {
    pub(super) const ALL: [Self; 4] = [Self::Hold, Self::Step, Self::TwoSteps, Self::Told];

    /// The two bits that stand for it; on disk, never to change.
    pub(super) fn code(self) -> u16 {
        self as u16
    }

    /// What the lowest two bits stand for.
    pub(super) fn from_code(code: u16) -> Self {
        Self::ALL[usize::from(code & 3)]
    }
}

/// The shape of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// A number may be missing.
    pub(super) optional: bool,
    /// Numbers lie on a circle of so many: from `circle - 1` it is one step to zero.
    pub(super) circle: Option<i64>,
    pub(super) guess: Guess,
}

/// A number larger than any: no encoder writes it.
#[derive(Debug)]
pub(super) struct NoNumber;

/// Codes a column, number by number; the same steps in both directions.
pub(super) struct Column {
    shape: Shape,
    given: [Chance; 2],
    given_before: bool,
    offs: Offs,
    /// The newest first, and how many there were.
    last: [i64; 3],
    seen: u64,
}

impl Column {
    pub(super) fn new(shape: Shape) -> Self {
        let offs = Offs { sizes: [Chance::EVEN; 128], signs: [Chance::EVEN; 3], sign_before: 0, tops: TOPS };
        Self { shape, given: [Chance::EVEN; 2], given_before: true, offs, last: [0; 3], seen: 0 }
    }

    /// Codes the next number, or that there is none; `told` is how far on from the last other columns think it is.
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        value: Option<i64>,
        told: Option<i64>,
    ) -> Result<Option<i64>, NoNumber> {
        if self.shape.optional {
            let given = coder.bit(&mut self.given[usize::from(self.given_before)], value.is_some());
            self.given_before = given;
            if !given {
                return Ok(None);
            }
        }
        let guess = self.guess(told);
        let off = self.offs.code(coder, self.fold(value.unwrap_or(0).wrapping_sub(guess)))?;
        let mut value = guess.wrapping_add(off);
        if let Some(circle) = self.shape.circle {
            value = value.rem_euclid(circle);
        }
        self.last = [value, self.last[0], self.last[1]];
        self.seen += 1;
        Ok(Some(value))
    }

    fn guess(&self, told: Option<i64>) -> i64 {
        let [last, second, third] = self.last;
        let step = match self.shape.guess {
            Guess::Step if self.seen > 1 => last.wrapping_sub(second),
            Guess::TwoSteps if self.seen > 2 => last.wrapping_sub(third) / 2,
            Guess::Told => told.unwrap_or(0),
            _ => 0,
        };
        last.wrapping_add(step)
    }

    /// The shorter way round.
    fn fold(&self, off: i64) -> i64 {
        self.shape.circle.map_or(off, |circle| (off + circle / 2).rem_euclid(circle) - circle / 2)
    }
}

/// The leading bits of a number below its highest one, as many as are worth learning; those after them are noise.
const TOP_BITS: u32 = 3;
const TOPS: [[Chance; 1 << TOP_BITS]; 65] = [[Chance::EVEN; 1 << TOP_BITS]; 65];

/// What is known of how far guesses are off: the size in bits, the sign after the sign before, the leading bits.
struct Offs {
    sizes: [Chance; 128],
    signs: [Chance; 3],
    sign_before: usize,
    tops: [[Chance; 1 << TOP_BITS]; 65],
}

impl Offs {
    fn code(&mut self, coder: &mut impl Coder, off: i64) -> Result<i64, NoNumber> {
        let magnitude = off.unsigned_abs();
        let mut node = 1;
        for place in (0..7).rev() {
            let bit = coder.bit(&mut self.sizes[node], (u64::BITS - magnitude.leading_zeros()) >> place & 1 == 1);
            node = node << 1 | usize::from(bit);
        }
        let size = node as u32 - 128;
        if size == 0 {
            self.sign_before = 0;
            return Ok(0);
        }
        let tops = self.tops.get_mut(size as usize).ok_or(NoNumber)?;
        let negative = coder.bit(&mut self.signs[self.sign_before], off < 0);
        self.sign_before = 1 + usize::from(negative);
        let (mut found, mut node) = (1_u64, 1);
        for place in (0..size - 1).rev() {
            let bit = magnitude >> place & 1 == 1;
            let bit = match tops.get_mut(node) {
                Some(chance) => coder.bit(chance, bit),
                None => coder.even_bit(bit),
            };
            node = (node << 1 | usize::from(bit)).min(1 << TOP_BITS);
            found = found << 1 | u64::from(bit);
        }
        Ok(if negative { (found as i64).wrapping_neg() } else { found as i64 })
    }
}
