//! Dead reckoning: how far latitude and longitude go on between two fixes, by speed, course and time, in whole numbers.
//!
//! What is reckoned is part of the format: every machine must come to the same number.

use super::{COURSE, COURSES, LATITUDE, LONGITUDE, Row, SPEED, TIME};

/// Longer than this between two fixes, nobody knows where the unit turned, milliseconds.
const PAUSE_MS_MAX: i64 = 60_000;
/// Faster than this nothing moves that reports its position, cm/s.
const SPEED_CM_S_MAX: i64 = 100_000;
/// One, in the fractions of sines.
const ONE: i64 = 1 << 16;
/// Centimetres in 1e-5 degree of latitude, to a thousandth: 1e-7 degree is 1.112 cm.
const CM_E5: i64 = 111_195;

/// How far the column goes on from the fix before to this one, 1e-7 degree. `None` for columns other than latitude and
/// longitude, and where something is not known.
pub(super) fn step(rows: &[Row], index: usize, column: usize) -> Option<i64> {
    let turn = match column {
        LATITUDE => 9_000,
        LONGITUDE => 0,
        _ => return None,
    };
    let (before, now) = (rows.get(index.checked_sub(1)?)?, rows.get(index)?);
    let pause_ms = now[TIME]?.checked_sub(before[TIME]?).filter(|pause| (1..=PAUSE_MS_MAX).contains(pause))?;
    let doubled = along(before, turn)? + along(now, turn)?;
    let step = doubled * pause_ms * 100 / (2 * ONE * CM_E5);
    if column == LATITUDE {
        return Some(step);
    }
    // A degree of longitude is shorter away from the equator; at the poles it is nothing.
    let latitude = rows[0][LATITUDE]?.clamp(-890_000_000, 890_000_000) / 100_000;
    Some(step * ONE / sine(latitude + 9_000))
}

/// The part of the speed along an axis, cm/s in fractions of [`ONE`].
fn along(row: &Row, turn: i64) -> Option<i64> {
    let speed = row[SPEED].filter(|speed| (0..=SPEED_CM_S_MAX).contains(speed))?;
    let course = row[COURSE].filter(|course| (0..COURSES).contains(course))?;
    Some(speed * sine((course + turn).rem_euclid(36_000)))
}

/// The sine of 0 to 35999 hundredths of a degree, in fractions of [`ONE`], by Bhaskara's formula: right to a sixth of a
/// percent.
fn sine(cdeg: i64) -> i64 {
    let half = cdeg % 18_000;
    let product = half * (18_000 - half);
    let sine = 4 * product * ONE / (405_000_000 - product);
    if cdeg < 18_000 { sine } else { -sine }
}
