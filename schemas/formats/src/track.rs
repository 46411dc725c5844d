//! Tracks of any format: what reading one gives, and how to tell which format a file has.

use holdfast_domain::api::RejectedRow;
use holdfast_domain::track::Fix;

use crate::error::FormatError;
use crate::report::Rejects;
use crate::{gpx, intake, nmea, track_csv};

/// Warnings kept; the first ones tell the story.
const WARNINGS_MAX: usize = 20;
/// How far into a file its kind is looked for.
const SNIFF_BYTES: usize = 8 << 10;

/// A track read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackImport {
    /// The fixes in the order of the file.
    pub fixes: Vec<Fix>,
    /// Points, sentences or rows left out: the first thousand.
    pub rejected: Vec<RejectedRow>,
    /// How many were left out in all.
    pub rejected_total: u64,
    /// Track points, sentences or rows read, good or bad.
    pub rows: u64,
    /// What is odd about the file though it was taken, one sentence each; the first twenty.
    pub warnings: Vec<String>,
}

impl TrackImport {
    pub(crate) fn reject(mut self, rejects: Rejects) -> Self {
        self.rejected = rejects.rows;
        self.rejected_total = rejects.total;
        self
    }

    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning.into());
        }
    }
}

/// The formats in which tracks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackFormat {
    /// GPS Exchange Format 1.0 or 1.1.
    Gpx,
    /// A log of NMEA 0183 sentences.
    Nmea,
    /// A table with columns time, lat and lon.
    Csv,
}

impl TrackFormat {
    /// The word used in commands and as a track's source.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gpx => "gpx",
            Self::Nmea => "nmea",
            Self::Csv => "csv",
        }
    }

    /// Reads a track of this format.
    ///
    /// # Errors
    /// If the file is of another kind.
    pub fn read(self, bytes: &[u8]) -> Result<TrackImport, FormatError> {
        match self {
            Self::Gpx => gpx::read_gpx(bytes),
            Self::Nmea => nmea::read_nmea(bytes),
            Self::Csv => track_csv::read_track_csv(bytes),
        }
    }
}

/// Tells the format of a track by its content, and only where that says nothing by its name.
///
/// # Errors
/// [`FormatError::UnknownTrack`] if neither tells, or what the file is if it is no text at all.
pub fn sniff(name: &str, bytes: &[u8]) -> Result<TrackFormat, FormatError> {
    let bytes = intake::text(bytes, "a track: GPX, an NMEA log, or CSV with columns time, lat and lon")?;
    let start = &bytes[..bytes.len().min(SNIFF_BYTES)];
    if start.trim_ascii_start().first() == Some(&b'<') && start.windows(4).any(|tag| tag == b"<gpx") {
        return Ok(TrackFormat::Gpx);
    }
    let mut lines = start.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    if lines.clone().find(|line| !line.starts_with(b"#")).is_some_and(track_csv::is_head) {
        return Ok(TrackFormat::Csv);
    }
    if lines.any(|line| line.starts_with(b"$") || line.starts_with(b"!")) {
        return Ok(TrackFormat::Nmea);
    }
    match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("gpx") => Ok(TrackFormat::Gpx),
        Some("nmea" | "nma" | "log") => Ok(TrackFormat::Nmea),
        Some("csv") => Ok(TrackFormat::Csv),
        _ => Err(FormatError::UnknownTrack { name: name.to_owned() }),
    }
}
