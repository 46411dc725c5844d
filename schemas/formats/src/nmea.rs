//! Logs of NMEA 0183 sentences: positions from RMC and GGA, dates from RMC and ZDA, every checksum checked.
//!
//! RMC has time, date, place, speed and course; GGA has time, place and height. Two sentences of the same time of day are
//! one fix, placed where RMC says. Sentences that say they have no fix, and sentences of other types, are passed over. A
//! line on which sentences ran together is taken apart at each `$`. (NMEA 0183 is not public; the fields are as gpsd's
//! "NMEA Revealed" has them.)

use holdfast_domain::geography::LatLon;
use holdfast_domain::track::Fix;
use jiff::civil::Date;

use crate::error::FormatError;
use crate::quantity;
use crate::report::{Rejects, excerpt};
use crate::track::TrackImport;

mod sentence;

use sentence::{Fault, Place, Sentence};

const EXPECTED: &str = "a log of NMEA 0183 sentences, one a line";
const DAY_MS: u32 = 24 * 3_600_000;
/// GPS counts weeks in ten bits: a receiver that lost count is wrong by so many days.
const WEEK_ROLLOVER_DAYS: i32 = 1_024 * 7;
/// Of the newest moments, so many may still be joined by a sentence of the same time of day.
const JOIN_MOMENTS: usize = 2;

/// One fix in the making.
struct Moment {
    line: u64,
    time_ms: u32,
    date: Option<Date>,
    position: LatLon,
    altitude_dm: Option<i32>,
    speed_cm_s: Option<u32>,
    course_cdeg: Option<u16>,
}

#[derive(Default)]
struct Reader {
    moments: Vec<Moment>,
    /// The newest date told, with the time of day at which it held.
    date: Option<(Date, u32)>,
    rejects: Rejects,
    sentences: u64,
    /// Lines that begin with something else.
    strays: u64,
}

/// Reads a log of NMEA 0183 sentences.
///
/// # Errors
/// If the file is no text or has no sentence in it.
pub fn read_nmea(bytes: &[u8]) -> Result<TrackImport, FormatError> {
    let bytes = crate::intake::text(bytes, EXPECTED)?;
    let mut reader = Reader::default();
    let mut lines = 0;
    for line in bytes.split(|&b| b == b'\n') {
        lines += 1;
        let line = line.trim_ascii();
        if !line.is_empty() && !line.starts_with(b"#") {
            reader.line(lines, line);
        }
    }
    if reader.sentences == 0 {
        return Err(FormatError::NoSentence { lines });
    }
    Ok(reader.finish())
}

impl Reader {
    fn line(&mut self, number: u64, line: &[u8]) {
        let begins = |&b: &u8| b == b'$' || b == b'!';
        let start = line.iter().position(begins).unwrap_or(line.len());
        // A tag block (NMEA 4.10) may stand before a sentence: \s:station,c:1700000000*hh\
        if start > 0 && !line[..start].starts_with(b"\\") {
            self.strays += 1;
            self.rejects
                .push(number, format!("`{}` is no NMEA sentence", excerpt(&String::from_utf8_lossy(&line[..start]))));
        }
        let mut rest = &line[start..];
        while !rest.is_empty() {
            let end = rest.iter().skip(1).position(begins).map_or(rest.len(), |at| at + 1);
            self.sentences += 1;
            match sentence::read(&rest[..end]) {
                Ok(sentence) => self.take(number, &sentence),
                Err(Fault(reason)) => self.rejects.push(number, reason),
            }
            rest = &rest[end..];
        }
    }

    fn take(&mut self, line: u64, sentence: &Sentence) {
        match *sentence {
            Sentence::Other | Sentence::NoFix => {}
            Sentence::Zda { time_ms, date } => self.dated(date, time_ms),
            Sentence::Rmc { place, date, speed_knots, course_deg } => {
                let speed = speed_knots.map_or(Ok(None), quantity::knots_cm_s);
                let course = course_deg.map_or(Ok(None), quantity::course_cdeg);
                let (speed_cm_s, course_cdeg) = match (speed, course) {
                    (Ok(speed), Ok(course)) => (speed, course),
                    (Err(reason), _) | (_, Err(reason)) => return self.rejects.push(line, reason),
                };
                self.dated(date, place.time_ms);
                let moment = self.moment(line, place);
                // Plotters send GGA of one second with the place of the next; RMC has time and place of one piece.
                (moment.date, moment.position) = (Some(date), place.position);
                moment.speed_cm_s = moment.speed_cm_s.or(speed_cm_s);
                moment.course_cdeg = moment.course_cdeg.or(course_cdeg);
            }
            Sentence::Gga { place, altitude_m } => {
                let altitude_dm = match altitude_m.map(quantity::altitude_dm).transpose() {
                    Ok(altitude_dm) => altitude_dm,
                    Err(reason) => return self.rejects.push(line, reason),
                };
                let date = self.date.map(|(date, at_ms)| carried(date, at_ms, place.time_ms));
                let moment = self.moment(line, place);
                moment.altitude_dm = moment.altitude_dm.or(altitude_dm);
                moment.date = moment.date.or(date);
            }
        }
    }

    /// The moment of this time of day among the newest, or a fresh one.
    fn moment(&mut self, line: u64, place: Place) -> &mut Moment {
        let newest = self.moments.len().saturating_sub(JOIN_MOMENTS);
        let known = self.moments[newest..].iter().position(|moment| moment.time_ms == place.time_ms);
        let at = known.map_or(self.moments.len(), |at| newest + at);
        if known.is_none() {
            self.moments.push(Moment {
                line,
                time_ms: place.time_ms,
                date: None,
                position: place.position,
                altitude_dm: None,
                speed_cm_s: None,
                course_cdeg: None,
            });
        }
        &mut self.moments[at]
    }

    /// Takes note of a date; the first one dates what came before it, too.
    fn dated(&mut self, date: Date, time_ms: u32) {
        if self.date.is_none() {
            for moment in &mut self.moments {
                moment.date = moment.date.or_else(|| Some(carried(date, time_ms, moment.time_ms)));
            }
        }
        self.date = Some((date, time_ms));
    }

    fn finish(mut self) -> TrackImport {
        let mut out = TrackImport { rows: self.sentences + self.strays, ..TrackImport::default() };
        let mut before: Option<Date> = None;
        for moment in self.moments {
            let Some(date) = moment.date else {
                self.rejects
                    .push(moment.line, "the fix has a time but no date; an RMC or ZDA sentence must be near it");
                continue;
            };
            if let Some(warning) = oddity(before, date) {
                out.warn(format!("line {}: {warning}", moment.line));
            }
            before = Some(date);
            let Some(at_ms) = unix_ms(date, moment.time_ms) else {
                self.rejects.push(moment.line, format!("the date {date} is before 1970"));
                continue;
            };
            out.fixes.push(Fix {
                at_ms,
                position: moment.position,
                altitude_dm: moment.altitude_dm,
                speed_cm_s: moment.speed_cm_s,
                course_cdeg: moment.course_cdeg,
            });
        }
        out.reject(self.rejects)
    }
}

/// The date at `time_ms`, given the date at a moment less than half a day away.
fn carried(date: Date, at_ms: u32, time_ms: u32) -> Date {
    let neighbour = if time_ms + DAY_MS / 2 < at_ms {
        date.tomorrow()
    } else if at_ms + DAY_MS / 2 < time_ms {
        date.yesterday()
    } else {
        return date;
    };
    neighbour.unwrap_or(date)
}

fn unix_ms(date: Date, time_ms: u32) -> Option<u64> {
    let days = days_between(Date::constant(1970, 1, 1), date);
    u64::try_from(i64::from(days) * i64::from(DAY_MS) + i64::from(time_ms)).ok()
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

/// What is odd about a date after the one before it. Dates are kept as the receiver gave them.
fn oddity(before: Option<Date>, date: Date) -> Option<String> {
    let Some(before) = before else {
        // GPS began in 1980 and its first week counter ran until 1999.
        return (date.year() < 2000).then(|| {
            format!("the date is {date}; a receiver that lost count of GPS weeks dates its fixes 1,024 weeks too early")
        });
    };
    let days = days_between(before, date);
    if days != 0 && days % WEEK_ROLLOVER_DAYS == 0 {
        Some(format!(
            "the date jumps from {before} to {date}, a multiple of 1,024 weeks: the GPS week counter rolled over"
        ))
    } else if days < 0 {
        Some(format!("the date falls back from {before} to {date}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
