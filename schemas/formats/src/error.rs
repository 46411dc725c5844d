//! Why a file or a mapping cannot be used at all. Nothing was imported then.

/// A file that is not of the kind asked for, or a mapping that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No bytes but white space.
    #[error("the file is empty; expected {expected}")]
    Empty {
        /// The kind of file asked for.
        expected: &'static str,
    },
    /// Larger than an import may be.
    #[error("the file has {bytes} bytes; at most {max} are allowed, split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The size allowed.
        max: usize,
    },
    /// Some other kind of file.
    #[error("expected {expected}, but this is {found}")]
    OtherKind {
        /// The kind of file asked for.
        expected: &'static str,
        /// What it is, with what to do about it.
        found: &'static str,
    },
    /// A table whose head lacks columns.
    #[error("the table has no column {}; it has: {}", quoted(.missing), quoted(.found))]
    MissingColumns {
        /// Columns that the mapping names and the head lacks.
        missing: Vec<String>,
        /// Columns of the head, cut to forty.
        found: Vec<String>,
    },
    /// A table whose head cannot be read.
    #[error("line {line}: the head of the table cannot be read: {fault}")]
    Head {
        /// Its line.
        line: u64,
        /// What is wrong with it.
        fault: String,
    },
    /// A mapping that cannot work.
    #[error("the mapping cannot be used: {fault}")]
    Mapping {
        /// What is wrong, and what would be right.
        fault: String,
    },
    /// GPX without a track.
    #[error(
        "the GPX file has no track point (<trkpt>), but {routes} route points and {waypoints} waypoints; a route says where to go, not where a unit was"
    )]
    NoTrack {
        /// Route points in it.
        routes: u64,
        /// Waypoints in it.
        waypoints: u64,
    },
    /// XML that is no GPX.
    #[error("expected GPX, but line {line} says otherwise: {fault}")]
    NotGpx {
        /// The line.
        line: u64,
        /// What is wrong there.
        fault: String,
    },
    /// A log without one NMEA sentence.
    #[error("expected a log of NMEA 0183 sentences such as `$GPRMC,…*6A`, one a line; there is none in {lines} lines")]
    NoSentence {
        /// Lines read.
        lines: u64,
    },
    /// A file whose kind cannot be told.
    #[error("cannot tell what `{name}` is; expected GPX, an NMEA log, or CSV with columns time, lat and lon")]
    UnknownTrack {
        /// Its name.
        name: String,
    },
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
