//! Small pictures of photos: what crews see of a photo before a slow link has brought it.
//!
//! A file that is no picture, or one that would take too much to decode, has none; that is no error.

use std::io::{BufRead, Seek};

use holdfast_domain::limits::{
    PICTURE_DECODE_BYTES_MAX, PICTURE_SIDE_PIXELS_MAX, THUMBNAIL_BYTES_MAX, THUMBNAIL_SIDE_PIXELS,
};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// The small picture of a JPEG or PNG, itself a JPEG of at most [`THUMBNAIL_BYTES_MAX`] bytes, upright, and without
/// what the camera wrote beside it, such as the place.
pub fn of(file: impl BufRead + Seek) -> Option<Vec<u8>> {
    let mut reader = ImageReader::new(file).with_guessed_format().ok()?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return None;
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(PICTURE_SIDE_PIXELS_MAX);
    limits.max_image_height = Some(PICTURE_SIDE_PIXELS_MAX);
    limits.max_alloc = Some(PICTURE_DECODE_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    if decoder.total_bytes() > PICTURE_DECODE_BYTES_MAX {
        return None;
    }
    let orientation = decoder.orientation().ok();
    let picture = DynamicImage::from_decoder(decoder).ok()?;
    let mut small = picture.thumbnail(THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS);
    if let Some(orientation) = orientation {
        small.apply_orientation(orientation);
    }
    let small = small.to_rgb8();
    [80, 60, 40, 20].into_iter().find_map(|quality| {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&small).ok()?;
        (bytes.len() <= THUMBNAIL_BYTES_MAX).then_some(bytes)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{Rgb, RgbImage};

    use super::*;

    /// A picture that no encoder can make small: noise.
    fn noise(width: u32, height: u32) -> RgbImage {
        let mut state = 1_u32;
        RgbImage::from_fn(width, height, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
        })
    }

    fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("a picture encodes");
        bytes.into_inner()
    }

    #[test]
    fn photos_get_a_small_picture_that_keeps_their_shape() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let small = of(Cursor::new(encoded(&noise(640, 320), format))).expect("a small picture");
            assert!(small.len() <= THUMBNAIL_BYTES_MAX, "{} bytes", small.len());
            let read = image::load_from_memory(&small).expect("it reads");
            assert_eq!((read.width(), read.height()), (160, 80));
        }
    }

    #[test]
    fn what_is_no_picture_has_none() {
        let whole = encoded(&noise(64, 64), ImageFormat::Jpeg);
        for bytes in [&b"#!/bin/sh"[..], b"", b"\x89PNG\r\n\x1a\n", &whole[..20], b"GIF89a\x01\x00\x01\x00"] {
            assert_eq!(of(Cursor::new(bytes.to_vec())), None);
        }
    }

    #[test]
    fn a_bomb_is_not_decoded() {
        // Eight kilobytes of PNG that claim 1.6 gigabytes of pixels.
        let mut bomb = encoded(&RgbImage::new(8, 8), ImageFormat::Png);
        bomb[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let crc = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(of(Cursor::new(bomb)), None);
    }

    /// As PNG has it (its specification, annex D).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
