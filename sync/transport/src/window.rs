//! What a stream has said lately: a small frame is packed against it, so that what was said once costs a byte or two when
//! it is said again.
//!
//! Both ends of a stream keep the same window, since it is reliable and in order. How a frame lies in its stream: its
//! length, shifted left by one, the lowest bit telling whether it is packed, as a little-endian base-128 varint of at most
//! four bytes; then its bytes. A packed frame is the one compressed block of a zstd frame (RFC 8878, section 3.1.1.2.3) whose
//! dictionary is the window as raw content; the headers of frame and block follow from its length and are left out.

use std::sync::{Mutex, PoisonError};

use holdfast_domain::limits::{FRAME_BYTES_MAX, SMALL_FRAME_BYTES_MAX, WINDOW_BYTES};
use zstd::zstd_safe::{CCtx, DCtx};

/// Frames of which the header costs as much as they do are neither packed nor remembered.
const PACKED_FROM_BYTES: usize = 16;
/// Where the gain levels off; a frame takes some twenty microseconds.
const LEVEL: i32 = 6;
/// Magic number, a descriptor that promises nothing, and a window of 128 kB, beyond which no small frame can reach.
const FRAME_HEADER: [u8; 6] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x38];
const BLOCK_HEADER_BYTES: usize = 3;
/// Stands before what was said. With it no window begins like a dictionary of zstd's own kind, which would be read otherwise.
const GUARD: u8 = 0;

/// What packs and unpacks keeps nothing between frames, so there are as many as work at once and not as there are streams.
static PACKERS: Mutex<Vec<CCtx<'static>>> = Mutex::new(Vec::new());
static UNPACKERS: Mutex<Vec<DCtx<'static>>> = Mutex::new(Vec::new());

/// Works with one of those that are idle, or with another.
fn with_one<T, R>(idle: &Mutex<Vec<T>>, make: fn() -> T, work: impl FnOnce(&mut T) -> R) -> R {
    let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = idle().pop();
    let mut one = taken.unwrap_or_else(make);
    let done = work(&mut one);
    idle().push(one);
    done
}

/// Why what a peer sends is no frame. Nothing of it may be used, and nothing that follows can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Its length takes more bytes than a length may.
    #[error("its length has no end")]
    EndlessLength,
    /// It is larger than a frame of its kind may be.
    #[error("it is of {bytes} bytes, over its limit")]
    TooLarge {
        /// Bytes announced.
        bytes: usize,
    },
    /// It does not unpack, or to more than a small frame.
    #[error("it does not unpack to a small frame")]
    NotPacked,
}

/// What stands before a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Bytes that follow.
    pub bytes: usize,
    /// Whether they are packed.
    pub packed: bool,
}

impl Length {
    fn write(self, out: &mut Vec<u8>) {
        let mut rest = self.bytes << 1 | usize::from(self.packed);
        while rest > 0x7F {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
}

/// A length of which some bytes have come.
#[derive(Debug, Clone, Copy, Default)]
pub struct LengthSoFar {
    value: usize,
    bits: u32,
}

impl LengthSoFar {
    /// Takes the next byte; gives the length with its last one.
    ///
    /// # Errors
    ///
    /// If it is no length, or that of a frame which is too large: known before a byte of it is read.
    pub fn take(&mut self, byte: u8) -> Result<Option<Length>, BadFrame> {
        self.value |= usize::from(byte & 0x7F) << self.bits;
        self.bits += 7;
        if byte & 0x80 != 0 {
            return if self.bits < 28 { Ok(None) } else { Err(BadFrame::EndlessLength) };
        }
        let length = Length { bytes: self.value >> 1, packed: self.value & 1 == 1 };
        let most = if length.packed { SMALL_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX };
        if length.bytes > most { Err(BadFrame::TooLarge { bytes: length.bytes }) } else { Ok(Some(length)) }
    }
}

/// The newest [`WINDOW_BYTES`] of small frames of one stream, grown as they are said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    said: Vec<u8>,
}

impl Default for Window {
    fn default() -> Self {
        Self { said: vec![GUARD] }
    }
}

impl Window {
    /// Appends a frame as it travels, and remembers it if it is small. Of a larger one only the length is appended, and
    /// the caller sends its bytes as they are.
    pub fn write(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        let plain = Length { bytes: frame.len(), packed: false };
        if frame.len() > SMALL_FRAME_BYTES_MAX {
            return plain.write(out);
        }
        if let Some(packed) = self.pack(frame) {
            Length { bytes: packed.len(), packed: true }.write(out);
            out.extend_from_slice(&packed);
        } else {
            plain.write(out);
            out.extend_from_slice(frame);
        }
        self.remember(frame);
    }

    /// The frame whose bytes came after a length, remembered if it is small.
    ///
    /// # Errors
    ///
    /// If they do not unpack to exactly one small frame. The window stays as it was.
    pub fn read(&mut self, packed: bool, bytes: Vec<u8>) -> Result<Vec<u8>, BadFrame> {
        let frame = if packed { self.unpack(&bytes)? } else { bytes };
        self.remember(&frame);
        Ok(frame)
    }

    /// Bytes remembered.
    pub fn bytes(&self) -> usize {
        self.said.len() - 1
    }

    fn remember(&mut self, frame: &[u8]) {
        if !(PACKED_FROM_BYTES..=SMALL_FRAME_BYTES_MAX).contains(&frame.len()) {
            return;
        }
        let most = 1 + WINDOW_BYTES;
        let over = (self.said.len() + frame.len()).saturating_sub(most);
        self.said.drain(1..=over);
        // Exact, or it would be doubled: there is one for each stream of each peer.
        self.said.reserve_exact(frame.len());
        self.said.extend_from_slice(frame);
    }

    /// The block that stands for a frame, if it is smaller.
    fn pack(&self, frame: &[u8]) -> Option<Vec<u8>> {
        if frame.len() < PACKED_FROM_BYTES {
            return None;
        }
        // Beyond this size it is of no use.
        let mut out = vec![0; FRAME_HEADER.len() + 8 + BLOCK_HEADER_BYTES + frame.len()];
        let length = with_one(&PACKERS, CCtx::create, |packer| {
            packer.compress_using_dict(&mut out[..], frame, &self.said, LEVEL).ok()
        })?;
        let block = block_of(&out[..length])?;
        (block.len() < frame.len()).then(|| block.to_vec())
    }

    fn unpack(&self, block: &[u8]) -> Result<Vec<u8>, BadFrame> {
        let mut whole = Vec::with_capacity(FRAME_HEADER.len() + BLOCK_HEADER_BYTES + block.len());
        whole.extend_from_slice(&FRAME_HEADER);
        whole.extend_from_slice(&block_header(block.len()));
        whole.extend_from_slice(block);
        let mut frame = vec![0; SMALL_FRAME_BYTES_MAX];
        let unpacked = with_one(&UNPACKERS, DCtx::create, |unpacker| {
            unpacker.decompress_using_dict(&mut frame[..], &whole, &self.said)
        });
        let length = unpacked.map_err(|_| BadFrame::NotPacked)?;
        if length == 0 {
            return Err(BadFrame::NotPacked);
        }
        frame.truncate(length);
        frame.shrink_to_fit();
        Ok(frame)
    }
}

/// The header of the last block of a frame, compressed, of so many bytes.
fn block_header(bytes: usize) -> [u8; BLOCK_HEADER_BYTES] {
    let [a, b, c, _] = ((bytes as u32) << 3 | 2 << 1 | 1).to_le_bytes();
    [a, b, c]
}

/// The block of a zstd frame that has no other and is compressed.
fn block_of(whole: &[u8]) -> Option<&[u8]> {
    let (magic, rest) = whole.split_at_checked(4)?;
    let (&descriptor, rest) = rest.split_first()?;
    // No dictionary's number and no checksum is asked for; a frame that has them is sent as it is.
    if magic != &FRAME_HEADER[..4] || descriptor & 0x0F != 0 {
        return None;
    }
    let single_segment = descriptor & 0x20 != 0;
    let size_bytes = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
    let rest = rest.get(usize::from(!single_segment) + size_bytes..)?;
    let (header, block) = rest.split_at_checked(BLOCK_HEADER_BYTES)?;
    (header == block_header(block.len())).then_some(block)
}

#[cfg(test)]
mod tests;
