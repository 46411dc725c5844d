//! One NMEA 0183 sentence: its checksum and the fields of RMC, GGA and ZDA.

use holdfast_domain::geography::LatLon;
use jiff::civil::Date;

use crate::report::excerpt;

/// Why a sentence is left out, with what would be right.
#[derive(Debug, PartialEq)]
pub(super) struct Fault(pub(super) String);

/// Where, and at which time of day (milliseconds since midnight UTC).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) time_ms: u32,
    pub(super) position: LatLon,
}

/// A sentence whose checksum is right.
#[derive(Debug, PartialEq)]
pub(super) enum Sentence {
    Rmc {
        place: Place,
        date: Date,
        speed_knots: Option<f64>,
        course_deg: Option<f64>,
    },
    Gga {
        place: Place,
        altitude_m: Option<f64>,
    },
    Zda {
        time_ms: u32,
        date: Date,
    },
    /// One of these, that says of itself that it has no valid fix or time.
    NoFix,
    /// Of a type that says nothing about where the receiver is.
    Other,
}

/// Reads a sentence that begins with `$` or `!`. What stands behind its checksum is none of ours.
pub(super) fn read(bytes: &[u8]) -> Result<Sentence, Fault> {
    let body = &bytes[1..];
    let star = body.iter().position(|&b| b == b'*');
    let (raw, sum) = body.split_at(star.unwrap_or(body.len()));
    let content = String::from_utf8_lossy(raw);
    let mut fields = content.split(',');
    let address = fields.next().filter(|address| address.len() == 5 && address.is_ascii() && !address.starts_with('P'));
    let kind = address.map(|address| &address[2..]);
    match kind.filter(|kind| ["RMC", "GGA", "ZDA"].contains(kind) && bytes[0] == b'$') {
        _ if star.is_some() => checksum(raw, sum, &content)?,
        Some(kind) => return Err(Fault(format!("{kind} has no checksum; it ends with `*` and two hex digits"))),
        None => {}
    }
    let fields: Vec<&str> = fields.collect();
    match kind.filter(|_| bytes[0] == b'$') {
        Some("RMC") => rmc(&fields),
        Some("GGA") => gga(&fields),
        Some("ZDA") => zda(&fields),
        _ => Ok(Sentence::Other),
    }
}

fn checksum(body: &[u8], sum: &[u8], content: &str) -> Result<(), Fault> {
    let is = body.iter().fold(0, |sum, byte| sum ^ byte);
    let given = sum.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
    match given.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        Some(said) if said == is => Ok(()),
        Some(said) => Err(Fault(format!(
            "the checksum is {said:02X}, but `{}` sums to {is:02X}: it was damaged",
            excerpt(content)
        ))),
        None => {
            Err(Fault(format!("`{}` has no checksum of two hex digits after `*`: it was damaged", excerpt(content))))
        }
    }
}

/// hhmmss.ss, status, latitude, N/S, longitude, E/W, speed in knots, true course, ddmmyy, variation, E/W, mode, …
fn rmc(fields: &[&str]) -> Result<Sentence, Fault> {
    let field = |at: usize| fields.get(at).copied().unwrap_or("");
    // Mode N is "not valid"; receivers before NMEA 2.3 have no mode.
    if field(1) == "V" || field(11) == "N" {
        return Ok(Sentence::NoFix);
    }
    let damaged = |what: String| Fault(format!("RMC: {what}"));
    if !["A", "D"].contains(&field(1)) {
        return Err(damaged(format!("status `{}` is neither A (valid) nor V (no fix)", excerpt(field(1)))));
    }
    let place = place(field(0), &[field(2), field(3), field(4), field(5)]).map_err(damaged)?;
    let date = date(field(8)).map_err(damaged)?;
    let speed_knots = optional("speed", field(6)).map_err(damaged)?;
    let course_deg = optional("course", field(7)).map_err(damaged)?;
    Ok(Sentence::Rmc { place, date, speed_knots, course_deg })
}

/// hhmmss.ss, latitude, N/S, longitude, E/W, quality, satellites, dilution, altitude, M, …
fn gga(fields: &[&str]) -> Result<Sentence, Fault> {
    let field = |at: usize| fields.get(at).copied().unwrap_or("");
    let damaged = |what: String| Fault(format!("GGA: {what}"));
    match field(5) {
        "0" | "" => return Ok(Sentence::NoFix),
        "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" => {}
        other => return Err(damaged(format!("quality `{}` is not one digit", excerpt(other)))),
    }
    let place = place(field(0), &[field(1), field(2), field(3), field(4)]).map_err(damaged)?;
    let altitude_m = optional("altitude", field(8)).map_err(damaged)?;
    Ok(Sentence::Gga { place, altitude_m })
}

/// hhmmss.ss, day, month, year of four digits, zone hours, zone minutes
fn zda(fields: &[&str]) -> Result<Sentence, Fault> {
    let field = |at: usize| fields.get(at).copied().unwrap_or("");
    if field(0).is_empty() || field(1).is_empty() || field(3).is_empty() {
        return Ok(Sentence::NoFix);
    }
    let damaged = |what: String| Fault(format!("ZDA: {what}"));
    let time_ms = time(field(0)).map_err(damaged)?;
    let date = calendar(field(3), field(2), field(1)).map_err(damaged)?;
    Ok(Sentence::Zda { time_ms, date })
}

fn optional(what: &str, text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() { Ok(None) } else { crate::quantity::number(what, text).map(Some) }
}

fn place(time_of_day: &str, [lat, north, lon, east]: &[&str; 4]) -> Result<Place, String> {
    let time_ms = time(time_of_day)?;
    let lat = degrees(lat)? * sign(north, "N", "S")?;
    let lon = degrees(lon)? * sign(east, "E", "W")?;
    let position = LatLon::new(lat, lon).map_err(|error| error.to_string())?;
    Ok(Place { time_ms, position })
}

fn sign(text: &str, positive: &str, negative: &str) -> Result<f64, String> {
    if text == positive {
        Ok(1.0)
    } else if text == negative {
        Ok(-1.0)
    } else {
        Err(format!("hemisphere `{}` is neither {positive} nor {negative}", excerpt(text)))
    }
}

/// `ddmm.mmmm` or `dddmm.mmmm`: degrees and minutes run together.
fn degrees(text: &str) -> Result<f64, String> {
    let whole = text.split('.').next().unwrap_or("");
    let fault = || format!("`{}` is not degrees and minutes such as `4808.9993`", excerpt(text));
    if whole.len() < 3 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(fault());
    }
    let (degrees, minutes) = text.split_at(whole.len() - 2);
    let (degrees, minutes): (f64, f64) = (degrees.parse().map_err(|_| fault())?, minutes.parse().map_err(|_| fault())?);
    if minutes < 60.0 { Ok(degrees + minutes / 60.0) } else { Err(fault()) }
}

/// `hhmmss` or `hhmmss.sss` as milliseconds since midnight.
fn time(text: &str) -> Result<u32, String> {
    let fault = || format!("`{}` is not a time such as `095303.809`", excerpt(text));
    if text.len() < 6 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(fault());
    }
    let hour: u32 = text[..2].parse().map_err(|_| fault())?;
    let minute: u32 = text[2..4].parse().map_err(|_| fault())?;
    let second: f64 = text[4..].parse().map_err(|_| fault())?;
    if hour < 24 && minute < 60 && second < 60.0 {
        Ok((hour * 60 + minute) * 60_000 + (second * 1_000.0).round() as u32)
    } else {
        Err(fault())
    }
}

/// `ddmmyy`. NMEA 0183 is of 1983, so years from 83 on are of the last century.
fn date(text: &str) -> Result<Date, String> {
    let fault = || format!("`{}` is not a date such as `311225` for 31 December 2025", excerpt(text));
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fault());
    }
    let century = if &text[4..] >= "83" { "19" } else { "20" };
    calendar(&format!("{century}{}", &text[4..]), &text[2..4], &text[..2]).map_err(|_| fault())
}

fn calendar(year: &str, month: &str, day: &str) -> Result<Date, String> {
    let fault = || format!("{} is not a date", excerpt(&format!("{year}-{month}-{day}")));
    let (Ok(year), Ok(month), Ok(day)) = (year.parse(), month.parse(), day.parse()) else { return Err(fault()) };
    Date::new(year, month, day).map_err(|_| fault())
}
