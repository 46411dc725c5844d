//! GPX 1.0 and 1.1 (topografix.com/GPX): the points of tracks, each judged by itself, with its line.
//!
//! Routes and waypoints are no tracks and are left alone. A file that breaks off - a logger that lost power - gives the
//! points before the break. Nothing is fetched and no entity is expanded.

use holdfast_domain::track::Fix;
use jiff::tz::TimeZone;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::error::FormatError;
use crate::report::{Rejects, excerpt};
use crate::table::line_ends;
use crate::track::TrackImport;
use crate::{intake, moment, quantity};

const EXPECTED: &str = "GPX 1.0 or 1.1";
/// Text of one element that is kept; no number or time is longer.
const VALUE_BYTES_MAX: usize = 64;

/// The parts of a point that are read, by local name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Time,
    Altitude,
    Speed,
    Course,
}

/// A track point while its elements are read.
#[derive(Default)]
struct Point {
    line: u64,
    /// Nesting of the point's own element.
    depth: usize,
    lat: Option<String>,
    lon: Option<String>,
    time: Option<String>,
    altitude: Option<String>,
    speed: Option<String>,
    course: Option<String>,
}

struct Gpx<'a> {
    text: &'a str,
    /// Byte up to which lines are counted, and the line it is on.
    counted: (usize, u64),
    depth: usize,
    point: Option<Point>,
    part: Option<(Part, usize, String)>,
    routes: u64,
    waypoints: u64,
    rejects: Rejects,
    out: TrackImport,
}

/// Reads the track points of a GPX file. A point without a time is rejected: a track says when a unit was where.
///
/// # Errors
/// If the file is no GPX, or has no track point.
pub fn read_gpx(bytes: &[u8]) -> Result<TrackImport, FormatError> {
    let bytes = intake::text(bytes, EXPECTED)?;
    if !bytes.trim_ascii_start().starts_with(b"<") {
        return Err(FormatError::OtherKind { expected: EXPECTED, found: "not XML" });
    }
    // Only numbers and times are read, so text in an older encoding does no harm.
    let text = String::from_utf8_lossy(bytes);
    let mut gpx = Gpx {
        text: &text,
        counted: (0, 1),
        depth: 0,
        point: None,
        part: None,
        routes: 0,
        waypoints: 0,
        rejects: Rejects::default(),
        out: TrackImport::default(),
    };
    gpx.read()?;
    if gpx.out.rows == 0 {
        return Err(FormatError::NoTrack { routes: gpx.routes, waypoints: gpx.waypoints });
    }
    Ok(gpx.out.reject(gpx.rejects))
}

impl Gpx<'_> {
    fn read(&mut self) -> Result<(), FormatError> {
        let mut reader = Reader::from_str(self.text);
        loop {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = match reader.read_event() {
                Ok(Event::Eof) if self.depth > 0 => Err("the file ends inside an element".to_owned()),
                Ok(Event::Eof) => return Ok(()),
                Ok(event) => Ok(event),
                Err(error) => Err(error.to_string()),
            };
            match event {
                Ok(event) => self.take(at, event)?,
                Err(fault) => return self.broken(at, &fault),
            }
        }
    }

    /// The line of a byte; bytes are asked for in rising order.
    fn line(&mut self, at: usize) -> u64 {
        let at = at.min(self.text.len()).max(self.counted.0);
        let lines = line_ends(&self.text.as_bytes()[self.counted.0..at]);
        self.counted = (at, self.counted.1 + lines);
        self.counted.1
    }

    fn broken(&mut self, at: usize, fault: &str) -> Result<(), FormatError> {
        let line = self.line(at);
        if self.out.rows == 0 {
            return Err(FormatError::NotGpx { line, fault: excerpt(fault) });
        }
        // The point in the making, if any, is lost with what follows; `rows` has counted it.
        if self.point.take().is_none() {
            self.out.rows += 1;
        }
        self.rejects.push(line, format!("the XML breaks off here ({}); what follows is not read", excerpt(fault)));
        Ok(())
    }

    fn take(&mut self, at: usize, event: Event<'_>) -> Result<(), FormatError> {
        match event {
            Event::Start(element) => {
                self.depth += 1;
                self.begin(at, &element)?;
            }
            Event::Empty(element) => {
                self.depth += 1;
                self.begin(at, &element)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text),
            Event::CData(text) => self.text(&text),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, element: &BytesStart<'_>) -> Result<(), FormatError> {
        let name = element.local_name();
        if self.depth == 1 && name.as_ref() != "gpx" {
            let (line, root) = (self.line(at), excerpt(name.as_ref()));
            return Err(FormatError::NotGpx { line, fault: format!("the root element is <{root}>, not <gpx>") });
        }
        match (name.as_ref(), &self.point) {
            ("rtept", None) => self.routes += 1,
            ("wpt", None) => self.waypoints += 1,
            ("trkpt", None) => {
                let line = self.line(at);
                self.out.rows += 1;
                let mut point = Point { line, depth: self.depth, ..Point::default() };
                for attribute in element.attributes().flatten() {
                    let value = attribute.value.chars().take(VALUE_BYTES_MAX).collect();
                    match attribute.key.as_ref() {
                        "lat" => point.lat = Some(value),
                        "lon" => point.lon = Some(value),
                        _ => {}
                    }
                }
                self.point = Some(point);
            }
            (name, Some(point)) => {
                self.part = self.part(name, point.depth).map(|part| (part, self.depth, String::new()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Time and height are children of the point; speed and course may stand in extensions, too.
    fn part(&self, name: &str, point_depth: usize) -> Option<Part> {
        let child = self.depth == point_depth + 1;
        match name {
            "time" if child => Some(Part::Time),
            "ele" if child => Some(Part::Altitude),
            "speed" => Some(Part::Speed),
            "course" => Some(Part::Course),
            _ => None,
        }
    }

    fn text(&mut self, more: &str) {
        if let Some((_, depth, text)) = &mut self.part
            && *depth == self.depth
            && text.len() + more.len() <= VALUE_BYTES_MAX
        {
            text.push_str(more);
        }
    }

    fn end(&mut self) {
        if let Some((part, depth, text)) = self.part.take() {
            match (&mut self.point, depth == self.depth) {
                (Some(point), true) => point.set(part, text),
                _ => self.part = Some((part, depth, text)),
            }
        }
        if let Some(point) = self.point.take_if(|point| point.depth == self.depth) {
            match point.fix() {
                Ok(fix) => self.out.fixes.push(fix),
                Err(reason) => self.rejects.push(point.line, reason),
            }
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

impl Point {
    fn set(&mut self, part: Part, text: String) {
        let place = match part {
            Part::Time => &mut self.time,
            Part::Altitude => &mut self.altitude,
            Part::Speed => &mut self.speed,
            Part::Course => &mut self.course,
        };
        *place = Some(text).filter(|text| !text.trim().is_empty());
    }

    fn fix(&self) -> Result<Fix, String> {
        let (Some(lat), Some(lon)) = (&self.lat, &self.lon) else {
            return Err("the point lacks `lat` or `lon`".to_owned());
        };
        let optional = |what, text: &Option<String>| text.as_ref().map(|text| quantity::number(what, text)).transpose();
        let time = self.time.as_ref().ok_or("the point has no <time>; a track says when a unit was where")?;
        Ok(Fix {
            at_ms: moment::iso8601(time, &TimeZone::UTC)?,
            position: quantity::position(lat, lon)?,
            altitude_dm: optional("elevation", &self.altitude)?.map(quantity::altitude_dm).transpose()?,
            speed_cm_s: optional("speed", &self.speed)?.map_or(Ok(None), quantity::speed_cm_s)?,
            course_cdeg: optional("course", &self.course)?.map_or(Ok(None), quantity::course_cdeg)?,
        })
    }
}
