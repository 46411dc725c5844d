//! How fast fixes are sealed and opened on this machine: `cargo bench -p holdfast-replica`. Read by people, nothing hangs
//! on it. What they weigh is told by `track_bytes` of the world.

use std::time::Instant;

use holdfast_domain::geography::LatLon;
use holdfast_domain::limits::SEGMENT_FIXES;
use holdfast_domain::track::Fix;
use holdfast_replica::segment;
use holdfast_replica::thin::simplified;

const TRACKS: usize = 200;
const NOON_MS: u64 = 1_700_000_000_000;

fn main() {
    let tracks: Vec<Vec<Fix>> = (0..TRACKS as u64).map(drive).collect();
    let tell = |what: &str, start: Instant| {
        let fixes = TRACKS * SEGMENT_FIXES;
        println!("{what:<20} {:>10} fixes a second", (fixes as f64 / start.elapsed().as_secs_f64()) as u64);
    };
    let start = Instant::now();
    let sealed: Vec<Vec<u8>> = tracks.iter().map(|track| segment::seal(track)).collect();
    tell("sealed", start);
    let start = Instant::now();
    let opened: Vec<Vec<Fix>> = sealed.iter().map(|bytes| segment::open(bytes).expect("a segment")).collect();
    tell("opened", start);
    assert_eq!(opened, tracks);
    let start = Instant::now();
    let kept: usize = tracks.iter().map(|track| simplified(track).len()).sum();
    tell("thinned", start);
    assert!(kept < TRACKS * SEGMENT_FIXES / 5, "{kept}");
}

/// A vehicle with a receiver that trembles.
fn drive(number: u64) -> Vec<Fix> {
    let (mut lat, mut lon) = (377_600_000, -1_224_200_000);
    let fixes = (0..SEGMENT_FIXES as u64).map(|second| {
        let noise = blake3::hash(&[number.to_le_bytes(), second.to_le_bytes()].concat());
        let [a, b, c, d, ..] = noise.as_bytes().map(|byte| i32::from(byte) - 128);
        (lat, lon) = (lat + 900 + a / 3, lon + 300 + b / 3);
        Fix {
            at_ms: NOON_MS + second * 1_000,
            position: LatLon::from_e7(lat, lon).expect("on Earth"),
            altitude_dm: Some(300 + d / 16),
            speed_cm_s: Some((1_050 + c).unsigned_abs()),
            course_cdeg: Some((1_500 + c + b).unsigned_abs() as u16),
        }
    });
    fixes.collect()
}
