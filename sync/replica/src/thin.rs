//! Tracks thinned as they age: every fix at first, then one in ten seconds, then only those that the way needs.
//!
//! What is left depends on the fixes and the time alone, never on when or how often they were thinned before: ages are
//! those of whole hours of the calendar, and thinning what was thinned gives the same as thinning all at once. The
//! arithmetic is exact or correctly rounded on every machine, so two nodes that hold the same fixes keep the same.

use holdfast_domain::track::Fix;

/// What is kept for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Up to this age every fix is kept, milliseconds.
    pub full_ms: u64,
    /// Up to this age samples are kept, milliseconds.
    pub sampled_ms: u64,
    /// Between samples, milliseconds.
    pub sample_ms: u64,
    /// How far the simplified way may be from a sample at its time, metres.
    pub tolerance_m: u32,
}

impl Default for Ages {
    /// 1 Hz for 24 hours, 0.1 Hz for 7 days, then within 5 m, about what a receiver is off by.
    fn default() -> Self {
        Self { full_ms: 24 * HOUR_MS, sampled_ms: 7 * 24 * HOUR_MS, sample_ms: 10_000, tolerance_m: 5 }
    }
}

const HOUR_MS: u64 = 3_600_000;

/// The fixes of a track, in order of time, that are worth keeping at `now_ms` (Unix milliseconds). The first and the
/// last fix of each hour always are, hence those of the track.
pub fn thin(fixes: &[Fix], now_ms: u64, ages: &Ages) -> Vec<Fix> {
    let mut kept = Vec::new();
    for hour in fixes.chunk_by(|a, b| a.at_ms / HOUR_MS == b.at_ms / HOUR_MS) {
        let end_ms = (hour[0].at_ms / HOUR_MS).saturating_add(1).saturating_mul(HOUR_MS);
        let age_ms = now_ms.saturating_sub(end_ms);
        if age_ms < ages.full_ms {
            kept.extend_from_slice(hour);
        } else if age_ms < ages.sampled_ms {
            kept.extend(sampled(hour, ages.sample_ms));
        } else {
            kept.extend(simplified(&sampled(hour, ages.sample_ms), ages.tolerance_m));
        }
    }
    kept
}

/// The first fix of each interval of the calendar, and the last of all.
fn sampled(hour: &[Fix], sample_ms: u64) -> Vec<Fix> {
    let interval = |fix: &Fix| fix.at_ms / sample_ms.max(1);
    let last = hour.len() - 1;
    let picked = hour
        .iter()
        .enumerate()
        .filter(|&(index, fix)| index == 0 || index == last || interval(&hour[index - 1]) != interval(fix));
    picked.map(|(_, fix)| *fix).collect()
}

/// Douglas and Peucker's algorithm (1973) with the distance between where a fix is and where the way is at its time
/// (Meratnia and de By, 2004), so that a stop on a straight road is not lost.
fn simplified(fixes: &[Fix], tolerance_m: u32) -> Vec<Fix> {
    let plane: Vec<[f64; 3]> = fixes.iter().map(|fix| flat(fix, &fixes[0])).collect();
    let beyond = f64::from(tolerance_m) * f64::from(tolerance_m);
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
