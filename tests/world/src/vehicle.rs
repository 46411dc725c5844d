//! A vehicle on a grid of streets with a receiver on its roof, at one fix a second.
//!
//! The receiver is off by a slow drift of 2.5 m (4 m in height) that forgets itself in a minute, and by white noise on
//! top; its speed by 0.1 m/s, its course by a degree at speed and tens of degrees at a stand.

use holdfast_domain::geography::LatLon;
use holdfast_domain::track::Fix;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Metres in a degree of latitude.
const DEGREE_M: f64 = 111_319.5;
/// Where it sets off: San Francisco.
const START: (f64, f64) = (37.76, -122.42);

struct Dice(ChaCha12Rng);

impl Dice {
    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / 4_294_967_296.0
    }

    fn one_in(&mut self, many: f64) -> bool {
        self.unit() < 1.0 / many
    }

    /// Normally distributed (Box and Muller, 1958).
    fn noise(&mut self, sigma: f64) -> f64 {
        sigma * (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// What the receiver says from `start_ms` (Unix milliseconds) on; `white_m` is its white noise, metres.
pub fn drive(seed: u64, start_ms: u64, seconds: u64, white_m: f64) -> Vec<Fix> {
    let mut dice = Dice(ChaCha12Rng::seed_from_u64(seed));
    let (mut place, mut drift) = ([0.0, 0.0, 30.0], [0.0; 3]);
    let (mut speed, mut course, mut aim, mut cruise, mut stands) = (0.0_f64, 90.0_f64, 90.0_f64, 12.0, 0_u32);
    let keep = (-1.0_f64 / 60.0).exp();
    let fixes = (0..seconds).map(|second| {
        if dice.one_in(25.0) {
            aim = (aim + [-90.0, 90.0, 10.0, -10.0][(dice.unit() * 4.0) as usize]).rem_euclid(360.0);
        }
        if dice.one_in(40.0) {
            stands = 5 + (dice.unit() * 35.0) as u32;
        }
        stands = stands.saturating_sub(1);
        if stands == 0 && dice.one_in(10.0) {
            cruise = 5.0 + 12.0 * dice.unit();
        }
        speed += (if stands > 0 { 0.0 } else { cruise } - speed).clamp(-3.0, 2.0);
        if speed > 1.0 {
            course = (course + ((aim - course + 540.0).rem_euclid(360.0) - 180.0).clamp(-30.0, 30.0)).rem_euclid(360.0);
        }
        let (sin, cos) = course.to_radians().sin_cos();
        (place[0], place[1]) = (place[0] + speed * cos, place[1] + speed * sin);
        for (axis, sigma) in [2.5, 2.5, 4.0].into_iter().enumerate() {
            drift[axis] = drift[axis] * keep + dice.noise(sigma * (1.0 - keep * keep).sqrt());
        }
        let [north, east, up] = std::array::from_fn(|axis| place[axis] + drift[axis] + dice.noise(white_m));
        let (lat, lon) = (START.0 + north / DEGREE_M, START.1 + east / DEGREE_M / START.0.to_radians().cos());
        let told = (course + dice.noise((1.0 + 3.0 / (speed + 0.1)).min(40.0))).rem_euclid(360.0);
        Fix {
            at_ms: start_ms + second * 1_000,
            position: LatLon::new(lat, lon).expect("San Francisco is on Earth"),
            altitude_dm: Some((up * 10.0).round() as i32),
            speed_cm_s: Some(((speed + dice.noise(0.1)).abs() * 100.0).round() as u32),
            course_cdeg: Some((told * 100.0).round() as u16),
        }
    });
    fixes.collect()
}
