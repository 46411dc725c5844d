//! Tracks thinned as they age: every fix at first, then one in ten seconds, then only those that the way needs.
//!
//! What is left depends on the fixes alone, hour by hour of the calendar, and thinning what was thinned changes nothing.
//! The arithmetic is exact or correctly rounded on every machine, so two nodes that hold the same fixes keep the same. All
//! that is left are fixes that were there, to the bit, and among them the first and the last of each hour.

use holdfast_domain::feed::TrackSpan;
use holdfast_domain::track::Fix;

/// Between samples, milliseconds.
pub const SAMPLE_MS: u64 = 10_000;
/// How far the simplified way may be from a sample at its time, metres: about what a receiver is off by.
pub const TOLERANCE_M: f64 = 5.0;
/// Thinned by itself, milliseconds.
pub const HOUR_MS: u64 = 3_600_000;

/// One fix in ten seconds of fixes in order of time.
pub fn sampled(fixes: &[Fix]) -> Vec<Fix> {
    hours(fixes).flat_map(samples).collect()
}

/// What the way needs of fixes in order of time: with one in ten seconds it is the same within [`TOLERANCE_M`] at every
/// time.
pub fn simplified(fixes: &[Fix]) -> Vec<Fix> {
    hours(fixes).flat_map(|hour| way(&samples(hour))).collect()
}

/// A stretch of a track, made whole hours.
pub fn whole_hours(span: TrackSpan) -> TrackSpan {
    let first_ms = span.first_ms / HOUR_MS * HOUR_MS;
    let last_ms = (span.last_ms / HOUR_MS * HOUR_MS).saturating_add(HOUR_MS - 1);
    TrackSpan { first_ms, last_ms, ..span }
}

fn hours(fixes: &[Fix]) -> impl Iterator<Item = &[Fix]> {
    fixes.chunk_by(|a, b| a.at_ms / HOUR_MS == b.at_ms / HOUR_MS)
}

/// The first fix of each interval of the calendar, and the last of all.
fn samples(hour: &[Fix]) -> Vec<Fix> {
    let interval = |fix: &Fix| fix.at_ms / SAMPLE_MS;
    let last = hour.len() - 1;
    let picked = hour
        .iter()
        .enumerate()
        .filter(|&(index, fix)| index == 0 || index == last || interval(&hour[index - 1]) != interval(fix));
    picked.map(|(_, fix)| *fix).collect()
}

/// Douglas and Peucker's algorithm (1973) with the distance between where a fix is and where the way is at its time
/// (Meratnia and de By, 2004), so that a stop on a straight road is not lost.
fn way(fixes: &[Fix]) -> Vec<Fix> {
    let plane: Vec<[f64; 3]> = fixes.iter().map(|fix| flat(fix, &fixes[0])).collect();
    let beyond = TOLERANCE_M * TOLERANCE_M;
    let last = fixes.len() - 1;
    let mut kept = vec![false; fixes.len()];
    (kept[0], kept[last]) = (true, true);
    let mut spans = vec![(0, last)];
    while let Some((from, to)) = spans.pop() {
        let mut farthest = (beyond, None);
        for index in from + 1..to {
            let off = off_squared(plane[from], plane[to], plane[index]);
            if off > farthest.0 {
                farthest = (off, Some(index));
            }
        }
        if let Some(index) = farthest.1 {
            kept[index] = true;
            spans.extend([(from, index), (index, to)]);
        }
    }
    fixes.iter().zip(kept).filter(|(_, kept)| *kept).map(|(fix, _)| *fix).collect()
}

/// Metres in 1e-7 degree of latitude, on a globe of 40,030 km around.
const METRES_E7: f64 = 0.011_119_5;
/// 1e-7 degrees around the globe.
const CIRCLE_E7: i64 = 3_600_000_000;

/// Metres north and east of `origin` as on a plane, and milliseconds after it.
fn flat(fix: &Fix, origin: &Fix) -> [f64; 3] {
    let north = i64::from(fix.position.lat_e7()) - i64::from(origin.position.lat_e7());
    let east = i64::from(fix.position.lon_e7()) - i64::from(origin.position.lon_e7());
    // The shorter way round.
    let east = (east + CIRCLE_E7 / 2).rem_euclid(CIRCLE_E7) - CIRCLE_E7 / 2;
    let degrees = origin.position.lat();
    // Bhaskara's cosine, right to a sixth of a percent: unlike that of a library it is the same on every machine.
    let cosine = (32_400.0 - 4.0 * degrees * degrees) / (32_400.0 + degrees * degrees);
    let time = (fix.at_ms - origin.at_ms) as f64;
    [north as f64 * METRES_E7, east as f64 * METRES_E7 * cosine, time]
}

/// How far `point` is from where a steady way between two others is at its time, metres squared.
fn off_squared(from: [f64; 3], to: [f64; 3], point: [f64; 3]) -> f64 {
    let part = if to[2] > from[2] { (point[2] - from[2]) / (to[2] - from[2]) } else { 0.0 };
    let off = |axis: usize| point[axis] - (from[axis] + (to[axis] - from[axis]) * part);
    off(0) * off(0) + off(1) * off(1)
}
