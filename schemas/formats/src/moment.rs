//! Times as others write them: ISO 8601, Unix seconds or milliseconds, or any strptime format with a time zone.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::report::excerpt;

/// Unix numbers from here on are milliseconds: as seconds this is the year 5138, as milliseconds 1973.
const UNIX_MS_FROM: f64 = 1e11;

/// How times are written in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notation {
    /// ISO 8601 / RFC 3339; without an offset it is local time in the zone.
    Iso8601,
    /// Seconds since 1970, fractions allowed.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// A strptime format; a date alone is the start of that day.
    Strptime(String),
}

/// The zone with this IANA name, from the table built into the program.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| {
        format!("there is no time zone `{}`; give an IANA name such as `America/Los_Angeles`", excerpt(name))
    })
}

impl Notation {
    /// Whether the notation may leave out the offset from UTC, so that a zone must be known.
    pub(crate) fn needs_zone(&self) -> bool {
        match self {
            Self::Iso8601 => true,
            Self::UnixSeconds | Self::UnixMilliseconds => false,
            Self::Strptime(format) => !["%z", "%:z", "%s", "%Q", "%:Q"].iter().any(|offset| format.contains(offset)),
        }
    }

    /// Unix milliseconds of a time written so.
    pub(crate) fn read(&self, text: &str, zone: &TimeZone) -> Result<u64, String> {
        match self {
            Self::Iso8601 => iso8601(text, zone),
            Self::UnixSeconds => unix(text, 1_000.0),
            Self::UnixMilliseconds => unix(text, 1.0),
            Self::Strptime(format) => strptime(format, text, zone),
        }
    }
}

/// A time in ISO 8601, or Unix seconds or milliseconds, told apart by their size.
pub(crate) fn any(text: &str) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) => unix(text, if number >= UNIX_MS_FROM { 1.0 } else { 1_000.0 }),
        Err(_) => iso8601(text, &TimeZone::UTC),
    }
}

/// A time in ISO 8601; without an offset it is local time in the zone.
pub(crate) fn iso8601(text: &str, zone: &TimeZone) -> Result<u64, String> {
    let text = text.trim();
    let timestamp = text.parse::<Timestamp>().or_else(|_| {
        text.parse::<DateTime>().and_then(|local| local.to_zoned(zone.clone())).map(|zoned| zoned.timestamp())
    });
    since_1970(text, timestamp.map_err(|_| "2026-01-31T14:05:00Z"))
}

fn strptime(format: &str, text: &str, zone: &TimeZone) -> Result<u64, String> {
    let timestamp = BrokenDownTime::parse(format, text.trim()).and_then(|parts| {
        parts.to_timestamp().or_else(|_| {
            let local = parts.to_datetime().or_else(|_| parts.to_date().map(DateTime::from))?;
            local.to_zoned(zone.clone()).map(|zoned| zoned.timestamp())
        })
    });
    since_1970(text, timestamp.map_err(|_| format))
}

fn since_1970(text: &str, timestamp: Result<Timestamp, &str>) -> Result<u64, String> {
    match timestamp {
        Ok(timestamp) => {
            u64::try_from(timestamp.as_millisecond()).map_err(|_| format!("time `{}` is before 1970", excerpt(text)))
        }
        Err(right) => Err(format!("`{}` is not a time; give it as `{right}`", excerpt(text))),
    }
}

fn unix(text: &str, ms_per_unit: f64) -> Result<u64, String> {
    // A timestamp has 48 bits of milliseconds everywhere in Holdfast.
    let ms = text.trim().parse::<f64>().map(|number| (number * ms_per_unit).round());
    match ms {
        Ok(ms) if (0.0..(1_u64 << 48) as f64).contains(&ms) => Ok(ms as u64),
        _ => Err(format!("`{}` is not a time; give seconds or milliseconds since 1970", excerpt(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_follow_their_zone_through_summer_time() {
        let pacific = zone("America/Los_Angeles").expect("bundled");
        let notation = Notation::Strptime("%m/%d/%Y %I:%M:%S %p".to_owned());
        assert_eq!(notation.read("01/11/2002 01:51:44 AM", &pacific), Ok(1_010_742_704_000), "UTC-8 in winter");
        assert_eq!(notation.read("07/11/2002 01:51:44 AM", &pacific), Ok(1_026_377_504_000), "UTC-7 in summer");
        assert!(notation.needs_zone());
        let date = Notation::Strptime("%Y-%m-%d".to_owned());
        assert_eq!(date.read("2002-01-11", &pacific), Ok(1_010_736_000_000), "midnight there is 08:00 UTC");
    }

    #[test]
    fn an_offset_in_the_text_counts_more_than_the_zone() {
        let pacific = zone("America/Los_Angeles").expect("bundled");
        let notation = Notation::Strptime("%Y-%m-%d %H:%M %z".to_owned());
        assert_eq!(notation.read("1970-01-01 01:00 +0100", &pacific), Ok(0));
        assert!(!notation.needs_zone());
        assert_eq!(iso8601("1970-01-01T01:00:00+01:00", &pacific), Ok(0));
        assert_eq!(iso8601("1970-01-01T00:00:00", &pacific), Ok(8 * 3_600_000));
    }

    #[test]
    fn seconds_and_milliseconds_are_told_apart() {
        assert_eq!(any("1700000000"), Ok(1_700_000_000_000));
        assert_eq!(any("1700000000.25"), Ok(1_700_000_000_250));
        assert_eq!(any("1700000000250"), Ok(1_700_000_000_250));
        assert_eq!(any("2023-11-14T22:13:20.25Z"), Ok(1_700_000_000_250));
        assert_eq!(any("2023-11-14 22:13:20"), Ok(1_700_000_000_000));
    }

    #[test]
    fn nonsense_is_refused_with_what_would_be_right() {
        for text in ["", "-1", "nan", "1e300", "yesterday", "2023-02-30T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert!(any(text).is_err(), "{text}");
        }
        assert!(zone("San Francisco").expect_err("no zone").contains("IANA"));
    }
}
