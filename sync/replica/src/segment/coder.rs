//! A binary arithmetic coder: the likelier a bit was thought, the less of a byte it takes.
//!
//! The interval `low..=high` of 32-bit numbers is cut at each bit in proportion to its chance; leading bytes that both
//! ends share are done with. It is the carry-less coder of Mahoney's lpaq1 (2007), with chances of 16 bits.

/// How likely a bit is set, learned from those before: quickly at first, then as a mean of the last thirty or so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// In 65,536ths.
    set: u16,
    seen: u8,
}

/// After so many bits a chance follows the newest ones.
const SEEN_MAX: u8 = 30;
/// No bit is ever thought impossible.
const SET_MIN: i32 = 32;

impl Chance {
    /// As likely as not.
    pub(super) const EVEN: Self = Self { set: 1 << 15, seen: 0 };

    fn learn(&mut self, bit: bool) {
        let set = i32::from(self.set);
        let aim = if bit { i32::from(u16::MAX) } else { 0 };
        let moved = set + (aim - set) * 2 / (2 * i32::from(self.seen) + 3);
        self.set = moved.clamp(SET_MIN, i32::from(u16::MAX) - SET_MIN) as u16;
        self.seen = (self.seen + 1).min(SEEN_MAX);
    }
}

/// Either way through the same numbers: an encoder is told each bit, a decoder tells it.
pub(super) trait Coder {
    /// The bit under this chance, which learns from it. A decoder ignores what it is given.
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool;

    /// A bit of which nothing can be known.
    fn even_bit(&mut self, bit: bool) -> bool {
        self.bit(&mut Chance::EVEN.clone(), bit)
    }
}

/// Where the interval is cut: bits that are set get the part up to here.
fn cut(low: u32, high: u32, chance: Chance) -> u32 {
    low + ((u64::from(high - low) * u64::from(chance.set)) >> 16) as u32
}

/// Writes.
pub(super) struct Encoder {
    low: u32,
    high: u32,
    out: Vec<u8>,
}

impl Encoder {
    /// Goes on after `out`.
    pub(super) fn after(out: Vec<u8>) -> Self {
        Self { low: 0, high: u32::MAX, out }
    }

    /// All bytes; a decoder takes those that are missing at the end for zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        // The ends differ in their first byte, so one more byte names a number between them.
        if self.low > 0 {
            self.out.push((self.low >> 24) as u8 + 1);
        }
        self.out
    }
}

impl Coder for Encoder {
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool {
        let cut = cut(self.low, self.high, *chance);
        chance.learn(bit);
        if bit {
            self.high = cut;
        } else {
            self.low = cut + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.out.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// Reads.
pub(super) struct Decoder<'a> {
    low: u32,
    high: u32,
    at: u32,
    bytes: &'a [u8],
    taken: usize,
}

/// A decoder looks ahead by so many bytes.
const AHEAD: usize = 4;

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { low: 0, high: u32::MAX, at: 0, bytes, taken: 0 };
        (0..AHEAD).for_each(|_| decoder.take());
        decoder
    }

    fn take(&mut self) {
        self.at = self.at << 8 | u32::from(self.bytes.get(self.taken).copied().unwrap_or(0));
        self.taken += 1;
    }

    /// Whether more was asked for than an encoder can have left out.
    pub(super) fn ran_dry(&self) -> bool {
        self.taken > self.bytes.len() + AHEAD
    }

    /// Whether every byte was used.
    pub(super) fn is_done(&self) -> bool {
        self.taken >= self.bytes.len() && !self.ran_dry()
    }
}

impl Coder for Decoder<'_> {
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        let cut = cut(self.low, self.high, *chance);
        let bit = self.at <= cut;
        chance.learn(bit);
        if bit {
            self.high = cut;
        } else {
            self.low = cut + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.take();
        }
        bit
    }
}
