//! Sealed track segments: fixes of one unit, column by column, in about five bytes each.
//!
//! Layout, on disk and on the wire, never to change: the number of fixes (postcard), two bytes (little endian) of how
//! each column is guessed, then the columns one after the other through one arithmetic coder: time (ms), altitude (dm),
//! speed (cm/s), course (1/100 degree, on the circle), latitude and longitude (1e-7 degree, guessed from speed and
//! course where that helps). Noise of receivers does not fall to zstd: coded bit by bit under learned chances that of
//! a vehicle takes a sixth less than as varints under zstd.

use holdfast_domain::clock::Hlc;
use holdfast_domain::feed::{BodyError, TrackBody, TrackSpan};
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::UnitId;
use holdfast_domain::limits::TRACK_FIXES_MAX;
use holdfast_domain::track::Fix;

mod coder;
mod column;
mod reckon;

use coder::{Decoder, Encoder};
use column::{Column, Guess, Shape};

/// Time, altitude, speed, course, latitude, longitude, by [`TIME`] and so on.
type Row = [Option<i64>; COLUMNS];

const COLUMNS: usize = 6;
const TIME: usize = 0;
const ALTITUDE: usize = 1;
const SPEED: usize = 2;
const COURSE: usize = 3;
const LATITUDE: usize = 4;
const LONGITUDE: usize = 5;
/// Courses from 0 to 36000: both ends of the circle can be said, so it has one place more than hundredths of a degree.
const COURSES: i64 = 36_001;
/// Set where a course is beyond the circle, so that it is coded as a plain number.
const WILD_COURSES: u16 = 1 << (2 * COLUMNS);

/// Seals fixes into a segment, from which [`open`] gives exactly these again, whatever they are and in their order. It
/// is small if they are in order of time. At most [`TRACK_FIXES_MAX`].
pub fn seal(fixes: &[Fix]) -> Vec<u8> {
    let rows: Vec<Row> = fixes.iter().map(row).collect();
    let wild = rows.iter().any(|row| row[COURSE].is_some_and(|course| course >= COURSES));
    let shapes: [Shape; COLUMNS] = std::array::from_fn(|column| best_shape(&rows, column, wild));
    let guesses = (0..).zip(&shapes).map(|(column, shape)| shape.guess.code() << (2 * column));
    let head = guesses.fold(if wild { WILD_COURSES } else { 0 }, |head, guess| head | guess);
    let mut out = postcard::to_stdvec(&fixes.len()).expect("a number in memory always encodes");
    out.extend_from_slice(&head.to_le_bytes());
    let mut encoder = Encoder::after(out);
    for (column, shape) in shapes.into_iter().enumerate() {
        write(&mut encoder, &rows, column, shape);
    }
    encoder.finish()
}

/// A body of a track feed with these fixes, which are in order of time.
pub fn body(written: Hlc, unit: UnitId, source: &str, fixes: &[Fix]) -> TrackBody {
    TrackBody::V3 { written, span: TrackSpan::of(unit, fixes), source: source.to_owned(), segment: seal(fixes) }
}

/// Opens a segment.
///
/// # Errors
/// If it is nothing that [`seal`] makes: too many fixes, bytes missing or left over, a place that is not on Earth.
pub fn open(bytes: &[u8]) -> Result<Vec<Fix>, BodyError> {
    let fault = |fault: &str| BodyError::new(format!("the segment {fault}"));
    let (count, rest): (usize, &[u8]) =
        postcard::take_from_bytes(bytes).map_err(|_| fault("does not say how many fixes it has"))?;
    if count > TRACK_FIXES_MAX {
        return Err(fault("claims too many fixes"));
    }
    let (head, rest) = rest.split_first_chunk().ok_or_else(|| fault("ends early"))?;
    let head = u16::from_le_bytes(*head);
    if head >= WILD_COURSES << 1 {
        return Err(fault("is guessed in an unknown way"));
    }
    let mut decoder = Decoder::new(rest);
    let mut rows = vec![Row::default(); count];
    for column in 0..COLUMNS {
        let guess = Guess::from_code(head >> (2 * column));
        let mut coded = Column::new(shape(column, guess, head & WILD_COURSES != 0));
        for index in 0..count {
            let told = reckon::step(&rows, index, column);
            let value = coded.code(&mut decoder, None, told).map_err(|_| fault("holds a number of no size"))?;
            rows[index][column] = value;
            if decoder.ran_dry() {
                return Err(fault("ends early"));
            }
        }
    }
    if !decoder.is_done() {
        return Err(fault("has bytes left over"));
    }
    rows.iter().map(|row| fix(row).ok_or_else(|| fault("holds a fix that cannot be"))).collect()
}

fn row(fix: &Fix) -> Row {
    [
        Some(fix.at_ms as i64),
        fix.altitude_dm.map(i64::from),
        fix.speed_cm_s.map(i64::from),
        fix.course_cdeg.map(i64::from),
        Some(fix.position.lat_e7().into()),
        Some(fix.position.lon_e7().into()),
    ]
}

fn fix(row: &Row) -> Option<Fix> {
    let [at, altitude, speed, course, lat, lon] = *row;
    Some(Fix {
        at_ms: at? as u64,
        position: LatLon::from_e7(lat?.try_into().ok()?, lon?.try_into().ok()?).ok()?,
        altitude_dm: altitude.map(i32::try_from).transpose().ok()?,
        speed_cm_s: speed.map(u32::try_from).transpose().ok()?,
        course_cdeg: course.map(u16::try_from).transpose().ok()?,
    })
}

fn shape(column: usize, guess: Guess, wild: bool) -> Shape {
    let optional = [ALTITUDE, SPEED, COURSE].contains(&column);
    Shape { optional, circle: (column == COURSE && !wild).then_some(COURSES), guess }
}

/// The way of guessing that makes the column smallest.
fn best_shape(rows: &[Row], column: usize, wild: bool) -> Shape {
    let size = |shape: &Shape| {
        let mut trial = Encoder::after(Vec::new());
        write(&mut trial, rows, column, *shape);
        trial.finish().len()
    };
    let shapes = Guess::ALL.map(|guess| shape(column, guess, wild));
    shapes.into_iter().min_by_key(size).unwrap_or(shapes[0])
}

fn write(encoder: &mut Encoder, rows: &[Row], column: usize, shape: Shape) {
    let mut coded = Column::new(shape);
    for (index, row) in rows.iter().enumerate() {
        // An encoder only writes numbers that are some.
        drop(coded.code(encoder, row[column], reckon::step(rows, index, column)));
    }
}
