//! Position tables: CSV with columns time, lat and lon, and perhaps altitude (m), speed (m/s) and course (degrees).

use holdfast_domain::track::Fix;

use crate::error::FormatError;
use crate::report::Rejects;
use crate::table::Table;
use crate::track::TrackImport;
use crate::{intake, moment, quantity};

const EXPECTED: &str = "a CSV table with columns time, lat and lon (optional: altitude, speed, course)";
/// Each column with the names it goes by; the case does not matter.
const TIME: [&str; 2] = ["time", "timestamp"];
const LAT: [&str; 2] = ["lat", "latitude"];
const LON: [&str; 3] = ["lon", "lng", "longitude"];
const ALTITUDE: [&str; 3] = ["altitude", "altitude_m", "ele"];
const SPEED: [&str; 2] = ["speed", "speed_m_s"];
const COURSE: [&str; 2] = ["course", "course_deg"];

fn find(head: &[String], names: &[&str]) -> Option<usize> {
    head.iter().position(|column| names.iter().any(|name| column.eq_ignore_ascii_case(name)))
}

/// Whether this line is the head of a position table.
pub(crate) fn is_head(line: &[u8]) -> bool {
    Table::open(line, b',')
        .is_ok_and(|(_, head)| [&TIME[..], &LAT, &LON].iter().all(|names| find(&head, names).is_some()))
}

struct Columns {
    time: usize,
    lat: usize,
    lon: usize,
    altitude: Option<usize>,
    speed: Option<usize>,
    course: Option<usize>,
}

impl Columns {
    fn find(head: &[String]) -> Result<Self, FormatError> {
        let needed = |names: &[&str]| find(head, names).ok_or_else(|| names[0].to_owned());
        let columns = (needed(&TIME), needed(&LAT), needed(&LON));
        let (Ok(time), Ok(lat), Ok(lon)) = columns else {
            let missing = [columns.0, columns.1, columns.2].into_iter().filter_map(Result::err).collect();
            let found = head.iter().take(40).map(|name| crate::report::excerpt(name)).collect();
            return Err(FormatError::MissingColumns { missing, found });
        };
        let (altitude, speed, course) = (find(head, &ALTITUDE), find(head, &SPEED), find(head, &COURSE));
        Ok(Self { time, lat, lon, altitude, speed, course })
    }

    fn fix(&self, cells: &[impl AsRef<str>]) -> Result<Fix, String> {
        let cell = |at: usize| cells.get(at).map_or("", AsRef::as_ref).trim();
        let optional = |what, at: Option<usize>| match at.map(cell) {
            None | Some("") => Ok(None),
            Some(text) => quantity::number(what, text).map(Some),
        };
        Ok(Fix {
            at_ms: moment::any(cell(self.time))?,
            position: quantity::position(cell(self.lat), cell(self.lon))?,
            altitude_dm: optional("altitude", self.altitude)?.map(quantity::altitude_dm).transpose()?,
            speed_cm_s: optional("speed", self.speed)?.map_or(Ok(None), quantity::speed_cm_s)?,
            course_cdeg: optional("course", self.course)?.map_or(Ok(None), quantity::course_cdeg)?,
        })
    }
}

/// Reads a position table. Times are ISO 8601 (UTC where no offset is given) or Unix seconds or milliseconds.
///
/// # Errors
/// If the file is no table or lacks one of the columns time, lat and lon.
pub fn read_track_csv(bytes: &[u8]) -> Result<TrackImport, FormatError> {
    let (table, head) = Table::open(intake::table(bytes, EXPECTED)?, b',')?;
    let columns = Columns::find(&head)?;
    let mut out = TrackImport::default();
    let mut rejects = Rejects::default();
    for (line, cells) in table {
        out.rows += 1;
        match cells.and_then(|cells| columns.fix(&cells)) {
            Ok(fix) => out.fixes.push(fix),
            Err(reason) => rejects.push(line, reason),
        }
    }
    Ok(out.reject(rejects))
}
