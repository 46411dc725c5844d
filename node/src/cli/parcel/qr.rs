//! A parcel as QR codes: drawn for a screen or paper, and joined again from what a scanner read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use holdfast_driver::parcel::frames::{join, split};
use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};

/// One code; it still reads when 15 % of it cannot be seen (level M).
fn code(text: &str) -> Result<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::M).context("a frame does not fit into a QR code")
}

/// A drawing for a screen or paper.
pub(super) fn drawing(text: &str) -> Result<String> {
    Ok(code(text)?.render::<svg::Color>().min_dimensions(600, 600).build())
}

/// The same in characters, two modules high each; light on dark, as terminals are.
pub(super) fn characters(text: &str) -> Result<String> {
    let drawn = code(text)?
        .render::<unicode::Dense1x2>()
        .dark_color(unicode::Dense1x2::Light)
        .light_color(unicode::Dense1x2::Dark)
        .build();
    Ok(drawn)
}

/// Makes the folder, or sees that it holds no frames: those of two parcels are easily mixed up.
fn prepare(folder: &Path) -> Result<()> {
    let unusable = || format!("{} cannot be used; check its path and owner", folder.display());
    std::fs::create_dir_all(folder).with_context(unusable)?;
    for there in std::fs::read_dir(folder).with_context(unusable)? {
        if there.with_context(unusable)?.file_name().to_string_lossy().starts_with("frame-") {
            bail!("{} holds frames already; give another folder", folder.display());
        }
    }
    Ok(())
}

/// Draws the frames of a parcel into a folder, or to standard output for `-`. Gives how many there are.
pub(super) fn draw(file: &[u8], place: &Path) -> Result<usize> {
    let texts = split(file)?;
    let count = texts.len();
    if place != Path::new("-") {
        prepare(place)?;
    }
    for (index, text) in texts.iter().enumerate() {
        if place == Path::new("-") {
            println!("{}\nframe {} of {count}\n", characters(text)?, index + 1);
            continue;
        }
        let name = place.join(format!("frame-{:03}-of-{count:03}.svg", index + 1));
        std::fs::write(&name, drawing(text)?)
            .with_context(|| format!("{} cannot be written; check its owner and free space", name.display()))?;
    }
    Ok(count)
}

/// Joins what a scanner read: texts in files, one a line, in any order.
pub(super) fn collect(files: &[PathBuf]) -> Result<Vec<u8>> {
    let mut texts = String::new();
    for file in files {
        texts.push_str(&String::from_utf8(super::read(file)?).with_context(|| {
            format!("{} holds no text; give what the scanner read, not the pictures", file.display())
        })?);
        texts.push('\n');
    }
    Ok(join(texts.lines())?)
}

#[cfg(test)]
mod tests;
