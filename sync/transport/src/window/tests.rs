//! Fears: the two ends of a stream remember different things; a peer makes a few bytes into many.

use holdfast_domain::limits::{FRAME_BYTES_MAX, SMALL_FRAME_BYTES_MAX, WINDOW_BYTES};

use super::{BadFrame, LEVEL, Length, LengthSoFar, PACKED_FROM_BYTES, Window, block_of};

/// Numbers that a seed repeats (splitmix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.throw(256) as u8).collect()
    }

    /// As an edit is made: names that come again around numbers that never do.
    fn edit(&mut self) -> Vec<u8> {
        let mut frame = self.noise(16);
        frame.extend_from_slice(b"created_ms\x06number\x08priority\x06status\x05title");
        frame.extend(self.noise(64));
        frame.extend_from_slice(b"openRelieve crew at gate ");
        frame.extend_from_slice(self.throw(90).to_string().as_bytes());
        frame
    }

    fn frame(&mut self) -> Vec<u8> {
        let size = [8, 100, 2_000, SMALL_FRAME_BYTES_MAX + 2, 20_000][self.throw(5)];
        match self.throw(4) {
            0 => {
                let size = self.throw(size);
                self.noise(size)
            }
            1 => vec![self.throw(3) as u8; self.throw(size)],
            _ => self.edit(),
        }
    }
}

/// Takes one frame off a stream, as a receiver does.
fn take(window: &mut Window, stream: &mut &[u8]) -> Result<Vec<u8>, BadFrame> {
    let mut so_far = LengthSoFar::default();
    let length = loop {
        let (first, rest) = stream.split_first().expect("a length");
        *stream = rest;
        if let Some(length) = so_far.take(*first)? {
            break length;
        }
    };
    let (bytes, rest) = stream.split_at(length.bytes);
    *stream = rest;
    window.read(length.packed, bytes.to_vec())
}

fn say(window: &mut Window, frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    window.write(frame, &mut out);
    if frame.len() > SMALL_FRAME_BYTES_MAX {
        out.extend_from_slice(frame);
    }
    out
}

#[test]
fn both_ends_remember_the_same_after_any_conversation() {
    for seed in 0..40 {
        let (mut dice, mut here, mut there) = (Dice(seed), Window::default(), Window::default());
        for said in 0..100 {
            let frame = dice.frame();
            let out = say(&mut here, &frame);
            assert!(out.len() <= frame.len() + 4, "seed {seed}, frame {said}");
            let mut stream = &out[..];
            assert_eq!(take(&mut there, &mut stream), Ok(frame), "seed {seed}, frame {said}");
            assert!(stream.is_empty(), "seed {seed}, frame {said}");
            assert_eq!(here, there, "seed {seed}, frame {said}");
            assert!(here.said.capacity() <= 1 + WINDOW_BYTES, "seed {seed}, frame {said}");
        }
    }
}

#[test]
fn what_was_said_before_is_not_said_again() {
    let (mut dice, mut window) = (Dice(1), Window::default());
    let sizes: Vec<usize> = (0..20).map(|_| say(&mut window, &dice.edit()).len()).collect();
    // 80 bytes of each are noise.
    assert!(sizes[1..].iter().all(|size| *size <= 105), "{sizes:?}");
    let again = dice.edit();
    say(&mut window, &again);
    assert!(say(&mut window, &again).len() <= 12);
}

#[test]
fn a_large_frame_between_small_ones_is_not_remembered_and_takes_nothing_away() {
    let (mut dice, mut window) = (Dice(1), Window::default());
    say(&mut window, &dice.edit());
    let before = window.clone();
    let out = say(&mut window, &dice.noise(SMALL_FRAME_BYTES_MAX + 1));
    assert_eq!(out.len(), SMALL_FRAME_BYTES_MAX + 1 + 2);
    assert_eq!(window, before);
}

#[test]
fn a_frame_shorter_than_its_header_would_be_costs_one_byte_more_and_is_not_remembered() {
    let mut window = Window::default();
    for _ in 0..3 {
        assert_eq!(say(&mut window, &[0; PACKED_FROM_BYTES - 1]).len(), PACKED_FROM_BYTES);
    }
    assert_eq!(window, Window::default());
}

#[test]
fn a_bomb_in_a_small_frame_is_a_bad_frame_and_leaves_nothing_behind() {
    for bytes in [SMALL_FRAME_BYTES_MAX + 1, 100_000] {
        let whole = zstd::bulk::compress(&vec![0; bytes], LEVEL).expect("compresses");
        let block = block_of(&whole).expect("one compressed block").to_vec();
        assert!(block.len() < 50);
        let mut window = Window::default();
        assert_eq!(window.read(true, block), Err(BadFrame::NotPacked), "{bytes} bytes of nothing");
        assert_eq!(window, Window::default());
    }
}

#[test]
fn what_is_packed_and_damaged_never_brings_the_window_down() {
    let (mut dice, mut window) = (Dice(7), Window::default());
    for _ in 0..60 {
        say(&mut window, &dice.edit());
    }
    for _ in 0..20_000 {
        let mut block = window.pack(&dice.edit()).expect("packs");
        match dice.throw(4) {
            0 => block.truncate(dice.throw(block.len())),
            1 => block = dice.noise(60),
            _ => {
                let place = dice.throw(block.len());
                block[place] ^= 1 << dice.throw(8);
            }
        }
        let mut damaged = window.clone();
        match damaged.read(true, block) {
            Ok(frame) => assert!((1..=SMALL_FRAME_BYTES_MAX).contains(&frame.len())),
            Err(fault) => {
                assert_eq!(fault, BadFrame::NotPacked);
                assert_eq!(damaged, window);
            }
        }
    }
}

#[test]
fn a_window_that_begins_like_a_dictionary_is_read_as_what_it_is() {
    let mut here = Window::default();
    let mut frame = vec![0x37, 0xA4, 0x30, 0xEC];
    frame.extend(Dice(1).noise(100));
    let mut there = here.clone();
    assert_eq!(take(&mut there, &mut &say(&mut here, &frame)[..]), Ok(frame.clone()));
    let again = say(&mut here, &frame);
    assert!(again.len() < 20, "{}", again.len());
    assert_eq!(take(&mut there, &mut &again[..]), Ok(frame));
}

fn length_in(bytes: &[u8]) -> Result<Option<Length>, BadFrame> {
    let mut so_far = LengthSoFar::default();
    for byte in bytes {
        if let Some(length) = so_far.take(*byte)? {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

#[test]
fn lengths_take_a_byte_or_two_for_what_is_small() {
    let cases = [(0, 1), (63, 1), (64, 2), (8_191, 2), (8_192, 3), (FRAME_BYTES_MAX, 4)];
    for (bytes, takes) in cases {
        for packed in [false, bytes <= SMALL_FRAME_BYTES_MAX] {
            let mut out = Vec::new();
            Length { bytes, packed }.write(&mut out);
            assert_eq!((out.len(), length_in(&out)), (takes, Ok(Some(Length { bytes, packed }))));
        }
    }
}

#[test]
fn a_length_over_its_limit_is_refused_before_a_byte_of_the_frame_is_read() {
    let written = |bytes, packed| {
        let mut out = Vec::new();
        Length { bytes, packed }.write(&mut out);
        length_in(&out)
    };
    for (bytes, packed) in [(FRAME_BYTES_MAX + 1, false), (SMALL_FRAME_BYTES_MAX + 1, true)] {
        assert_eq!(written(bytes, packed), Err(BadFrame::TooLarge { bytes }));
    }
    assert_eq!(length_in(&[0xFF; 3]), Ok(None));
    assert_eq!(length_in(&[0xFF; 4]), Err(BadFrame::EndlessLength));
}

/// What is on the wire must be read for ever; how well it is packed may change.
#[test]
fn golden_bytes_of_frames_on_their_stream_are_read() {
    let mut bytes = b"\x46Relieve crew at gate 7, then report".to_vec();
    bytes.extend_from_slice(&[0x13, 0x08, 0x38, 0x02, 0x00, 0xE0, 0x10, 0xF3, 0x29, 0x20]);
    let (mut window, mut stream) = (Window::default(), &bytes[..]);
    assert_eq!(take(&mut window, &mut stream).as_deref(), Ok(&b"Relieve crew at gate 7, then report"[..]));
    assert_eq!(take(&mut window, &mut stream).as_deref(), Ok(&b"Relieve crew at gate 8, then report"[..]));
    assert!(stream.is_empty());
}
