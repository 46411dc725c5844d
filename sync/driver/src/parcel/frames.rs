//! Small parcels as numbered texts, one for each QR code, so that a camera can carry them from screen to screen.
//!
//! A text is `HFP1:` and base45 (RFC 9285) of: the first 4 bytes of the file's BLAKE3, the frame's number from 1 and how
//! many there are (u16 each, big-endian), a part of the file, and the first 4 bytes of BLAKE3 over all that. Every
//! character is in the alphanumeric set of QR codes (ISO/IEC 18004), which takes 5.5 bits for each.

use std::collections::BTreeMap;

/// What every text begins with.
const PREFIX: &str = "HFP1:";
/// Bytes of the file in one frame: 698 characters, a code of 85 modules a side that a phone reads from a laptop's screen.
pub const FRAME_FILE_BYTES: usize = 450;
/// Frames of one parcel, some 54 kB: beyond that a stick is faster than a patient person.
pub const FRAMES_MAX: usize = 120;
/// File's mark, number, count.
const HEAD_BYTES: usize = 8;
/// Checksum.
const TAIL_BYTES: usize = 4;

/// Why texts are no parcel, or a parcel not some texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The parcel is too large to be shown.
    #[error("{bytes} bytes are too many for QR codes, which take {} in {FRAMES_MAX} frames; export less, such as `--after FILE`, or use a stick", FRAME_FILE_BYTES * FRAMES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A text that is no frame, or was misread.
    #[error("text {line} is no frame of a parcel, or was misread; scan it again")]
    Misread {
        /// Which text, from 1.
        line: usize,
    },
    /// Frames of several parcels.
    #[error("text {line} is of another parcel than the first; join the frames of one at a time")]
    Mixed {
        /// Which text, from 1.
        line: usize,
    },
    /// Frames that were not given.
    #[error("{} of {count} frames are missing: scan {}", .missing.len(), numbers(.missing))]
    Missing {
        /// Their numbers, from 1.
        missing: Vec<u16>,
        /// How many there are.
        count: u16,
    },
    /// No frame at all.
    #[error("there is no frame of a parcel here; give the texts that a scanner read, one a line")]
    None,
}

fn numbers(missing: &[u16]) -> String {
    missing.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn mark(bytes: &[u8]) -> [u8; 4] {
    let mut mark = [0; 4];
    mark.copy_from_slice(&blake3::hash(bytes).as_bytes()[..4]);
    mark
}

/// The texts of a parcel's frames, in order.
pub fn split(file: &[u8]) -> Result<Vec<String>, FrameFault> {
    let parts: Vec<&[u8]> = file.chunks(FRAME_FILE_BYTES).collect();
    if parts.len() > FRAMES_MAX {
        return Err(FrameFault::TooLarge { bytes: file.len() });
    }
    let count = (parts.len() as u16).to_be_bytes();
    let frame = |(index, part): (usize, &&[u8])| {
        let number = (index as u16 + 1).to_be_bytes();
        let mut bytes = [mark(file).as_slice(), &number, &count, part].concat();
        bytes.extend_from_slice(&mark(&bytes));
        format!("{PREFIX}{}", base45::encode(bytes))
    };
    Ok(parts.iter().enumerate().map(frame).collect())
}

/// One frame: the mark of its file, its number, how many there are, its part.
type Frame = ([u8; 4], u16, u16, Vec<u8>);

fn read(text: &str) -> Option<Frame> {
    let mut bytes = base45::decode(text.strip_prefix(PREFIX)?).ok()?;
    let sum = bytes.split_off(bytes.len().checked_sub(TAIL_BYTES)?);
    if bytes.len() <= HEAD_BYTES || bytes.len() > HEAD_BYTES + FRAME_FILE_BYTES || sum != mark(&bytes) {
        return None;
    }
    let part = bytes.split_off(HEAD_BYTES);
    let [m0, m1, m2, m3, n0, n1, c0, c1] = bytes.try_into().ok()?;
    let (number, count) = (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([c0, c1]));
    let sane = (1..=count).contains(&number) && usize::from(count) <= FRAMES_MAX;
    sane.then_some(([m0, m1, m2, m3], number, count, part))
}

/// Joins the texts of frames, given in any order and as often as one likes; empty lines count for nothing.
pub fn join<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, FrameFault> {
    let mut parts: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let mut of = None;
    for (index, text) in texts.enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line = index + 1;
        let (file, number, count, part) = read(text.trim()).ok_or(FrameFault::Misread { line })?;
        if *of.get_or_insert((file, count)) != (file, count) {
            return Err(FrameFault::Mixed { line });
        }
        parts.insert(number, part);
    }
    let Some((file, count)) = of else { return Err(FrameFault::None) };
    let missing: Vec<u16> = (1..=count).filter(|number| !parts.contains_key(number)).collect();
    if !missing.is_empty() {
        return Err(FrameFault::Missing { missing, count });
    }
    let joined: Vec<u8> = parts.into_values().flatten().collect();
    if mark(&joined) == file { Ok(joined) } else { Err(FrameFault::Misread { line: 1 }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        (0..2_000_u32).map(|number| (number * 7) as u8).collect()
    }

    fn join_all(texts: &[String]) -> Result<Vec<u8>, FrameFault> {
        join(texts.iter().map(String::as_str))
    }

    #[test]
    fn frames_join_in_any_order_and_a_missing_one_is_named() {
        let mut texts = split(&file()).expect("small enough");
        assert_eq!(texts.len(), 5);
        texts.reverse();
        texts.push(texts[1].clone());
        texts.push(String::new());
        assert_eq!(join_all(&texts), Ok(file()));
        let fewer: Vec<String> = split(&file()).expect("small enough").into_iter().skip(1).step_by(2).collect();
        let fault = join_all(&fewer).expect_err("some are missing");
        assert_eq!(fault, FrameFault::Missing { missing: vec![1, 3, 5], count: 5 });
        assert!(fault.to_string().contains("scan 1, 3, 5"), "{fault}");
    }

    #[test]
    fn a_misread_frame_and_one_of_another_parcel_are_named() {
        let mut texts = split(&file()).expect("small enough");
        let misread = texts[2].replace('A', "B").replace('1', "2");
        let good = std::mem::replace(&mut texts[2], misread);
        assert_eq!(join_all(&texts), Err(FrameFault::Misread { line: 3 }));
        texts[2] = good;
        texts.push(split(b"another file").expect("small enough").remove(0));
        assert_eq!(join_all(&texts), Err(FrameFault::Mixed { line: 6 }));
        assert_eq!(join_all(&[]), Err(FrameFault::None));
    }

    #[test]
    fn every_character_is_in_the_alphanumeric_set_of_qr_codes() {
        let allowed = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || " $%*+-./:".contains(c);
        assert!(split(&file()).expect("small enough").iter().all(|text| text.chars().all(allowed)));
        let large = vec![0; FRAME_FILE_BYTES * FRAMES_MAX + 1];
        assert!(matches!(split(&large), Err(FrameFault::TooLarge { .. })));
    }
}
