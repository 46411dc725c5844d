//! Sealed track segments: fixes of one unit, column by column, in about five bytes each.
//!
//! Layout, on disk and on the wire, never to change: the number of fixes (postcard), two bytes (little endian) of how
//! each column is guessed, then the columns one after the other through one arithmetic coder: time (ms), latitude and
//! longitude (1e-7 degree), altitude (dm), speed (cm/s), course (1/100 degree, on the circle). Noise of receivers does
//! not fall to zstd: coded bit by bit under learned chances it takes a sixth less than as varints under zstd -19.

use holdfast_domain::feed::BodyError;
use holdfast_domain::geography::LatLon;
use holdfast_domain::limits::TRACK_FIXES_MAX;
use holdfast_domain::track::Fix;

mod coder;
mod column;

use coder::{Decoder, Encoder};
use column::{Column, Guess, Shape};

const COLUMNS: usize = 6;
/// Courses from 0 to 36000: both ends of the circle can be said, so it has one place more than hundredths of a degree.
const COURSES: i64 = 36_001;
/// Set where a course is beyond the circle, so that it is coded as a plain number.
const WILD_COURSES: u16 = 1 << (2 * COLUMNS);

/// Seals fixes into a segment, from which [`open`] gives exactly these again, whatever they are and in their order. It
/// is small if they are in order of time. At most [`TRACK_FIXES_MAX`].
pub fn seal(fixes: &[Fix]) -> Vec<u8> {
    let rows: Vec<Row> = fixes.iter().map(row).collect();
    let wild = rows.iter().any(|row| row[5].is_some_and(|course| course >= COURSES));
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
        let guess = Guess::from_code(head >> (2 * column) & 3).ok_or_else(|| fault("is guessed in an unknown way"))?;
        let mut coded = Column::new(shape(column, guess, head & WILD_COURSES != 0));
        for row in &mut rows {
            row[column] = coded.code(&mut decoder, None).map_err(|_| fault("holds a number of no size"))?;
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

/// Time, latitude, longitude, altitude, speed, course.
type Row = [Option<i64>; COLUMNS];

fn row(fix: &Fix) -> Row {
    [
        Some(fix.at_ms as i64),
        Some(fix.position.lat_e7().into()),
        Some(fix.position.lon_e7().into()),
        fix.altitude_dm.map(i64::from),
        fix.speed_cm_s.map(i64::from),
        fix.course_cdeg.map(i64::from),
    ]
}

fn fix(row: &Row) -> Option<Fix> {
    let [at, lat, lon, altitude, speed, course] = *row;
    Some(Fix {
        at_ms: at? as u64,
        position: LatLon::from_e7(lat?.try_into().ok()?, lon?.try_into().ok()?).ok()?,
        altitude_dm: altitude.map(i32::try_from).transpose().ok()?,
        speed_cm_s: speed.map(u32::try_from).transpose().ok()?,
        course_cdeg: course.map(u16::try_from).transpose().ok()?,
    })
}

fn shape(column: usize, guess: Guess, wild: bool) -> Shape {
    Shape { optional: column > 2, circle: (column == 5 && !wild).then_some(COURSES), guess }
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
    for row in rows {
        // An encoder only writes numbers that are some.
        drop(coded.code(encoder, row[column]));
    }
}
