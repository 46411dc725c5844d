//! Fear: old tracks are thinned into another way than was driven, or differently on every node.

use holdfast_domain::feed::TrackSpan;
use holdfast_domain::geography::LatLon;
use holdfast_domain::track::Fix;
use holdfast_replica::thin::{sampled, simplified, whole_hours};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::crew::START_MS;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

fn at(at_ms: u64, lat_e7: i32, lon_e7: i32) -> Fix {
    let position = LatLon::from_e7(lat_e7, lon_e7).expect("on Earth");
    Fix { at_ms, position, altitude_dm: None, speed_cm_s: None, course_cdeg: None }
}

/// A longitude past the date line, in 1e-7 degree, as it is written on the other side.
fn round(lon_e7: i64) -> i32 {
    ((lon_e7 + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000) as i32
}

/// Metres between two places, on the sphere.
fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (north, east) = ((a.0 - b.0).to_radians(), (a.1 - b.1).to_radians() * a.0.to_radians().cos());
    6_371_000.0 * north.hypot(east)
}

/// Where a track says its unit was at a time.
fn place_at(track: &[Fix], at_ms: u64) -> (f64, f64) {
    let next = track.iter().position(|fix| fix.at_ms >= at_ms).expect("within the track");
    let (a, b) = (&track[next.saturating_sub(1)], &track[next]);
    let part = if b.at_ms > a.at_ms { (at_ms - a.at_ms) as f64 / (b.at_ms - a.at_ms) as f64 } else { 0.0 };
    let between = |a: f64, b: f64| a + (b - a) * part;
    (between(a.position.lat(), b.position.lat()), between(a.position.lon(), b.position.lon()))
}

prop_compose! {
    /// A track of some minutes to some days, with rests and jumps.
    fn any_track()(
        steps in vec((prop_oneof![1..3_000_u64, 1..2 * HOUR_MS], -3_000..3_000_i32, -3_000..3_000_i32), 1..150),
        lon in prop_oneof![Just(-1_224_200_000), Just(1_799_990_000)],
    ) -> Vec<Fix> {
        let mut fix = at(START_MS, 377_600_000, lon);
        steps.into_iter().map(|(pause_ms, north, east)| {
            let (lat, lon) = (fix.position.lat_e7() + north, i64::from(fix.position.lon_e7()) + i64::from(east));
            fix = at(fix.at_ms + pause_ms, lat, round(lon));
            fix
        }).collect()
    }
}

proptest! {
    #[test]
    fn what_is_left_was_there_and_the_ends_stay(track in any_track()) {
        for kept in [sampled(&track), simplified(&track)] {
            prop_assert_eq!((kept.first(), kept.last()), (track.first(), track.last()));
            prop_assert!(kept.is_sorted_by(|a, b| a.at_ms < b.at_ms));
            prop_assert!(kept.iter().all(|fix| track.contains(fix)));
        }
    }

    #[test]
    fn thinned_again_and_again_it_is_what_it_is_thinned_at_once(track in any_track()) {
        let samples = sampled(&track);
        prop_assert_eq!(&sampled(&samples), &samples);
        let way = simplified(&track);
        prop_assert_eq!(&simplified(&samples), &way);
        prop_assert_eq!(&simplified(&way), &way);
    }

    #[test]
    fn an_old_way_is_within_its_tolerance_of_every_sample(track in any_track().prop_filter("inland", |track| {
        track.iter().all(|fix| fix.position.lon() < 0.0)
    })) {
        let kept = simplified(&track);
        for fix in &sampled(&track) {
            let off = metres(place_at(&kept, fix.at_ms), (fix.position.lat(), fix.position.lon()));
            prop_assert!(off < 5.05, "{off} m off");
        }
    }
}

/// Ten minutes north at 10 m/s, ten minutes of rest, ten minutes on north; with a receiver's jitter of 1 m.
fn drive_and_rest() -> Vec<Fix> {
    let mut lat = 377_600_000;
    let fixes = (0..1_800_u64).map(|second| {
        lat += if (600..1_200).contains(&second) { 0 } else { 900 };
        let jitter = (second * 7 % 13) as i32 * 14 - 90;
        at(START_MS / HOUR_MS * HOUR_MS + second * 1_000, lat + jitter, -1_224_200_000 - jitter)
    });
    fixes.collect()
}

#[test]
fn of_half_an_hour_samples_and_then_the_way_with_its_rest_are_left() {
    let track = drive_and_rest();
    // One in ten seconds, and the last.
    assert_eq!(sampled(&track).len(), 181);
    let way = simplified(&track);
    assert!((4..12).contains(&way.len()), "{} fixes", way.len());
    let rest = track[900];
    let off = metres(place_at(&way, rest.at_ms), (rest.position.lat(), rest.position.lon()));
    assert!(off < 10.0, "in the middle of its rest it is {off} m from where it stood");
}

#[test]
fn an_empty_track_and_one_from_the_end_of_time_are_no_trouble() {
    let track = drive_and_rest();
    let far = [at(u64::MAX - 1, 0, 0), at(u64::MAX, 0, 0)];
    for thin in [sampled, simplified] {
        assert!(thin(&[]).is_empty());
        assert_eq!(thin(&far), far);
        assert_eq!(thin(&track[..1]), track[..1]);
    }
}

#[test]
fn a_stretch_is_made_whole_hours_even_at_the_end_of_time() {
    let unit = crate::crew::unit(1);
    let whole = |first_ms, last_ms| whole_hours(TrackSpan { unit, first_ms, last_ms });
    assert_eq!(whole(HOUR_MS - 1, HOUR_MS), TrackSpan { unit, first_ms: 0, last_ms: 2 * HOUR_MS - 1 });
    assert_eq!(whole(u64::MAX, u64::MAX).last_ms, u64::MAX);
}

#[test]
fn across_the_date_line_a_way_is_as_short_as_elsewhere() {
    let start = START_MS / HOUR_MS * HOUR_MS;
    let track: Vec<Fix> =
        (0..600_u64).map(|second| at(start + second * 1_000, 0, round(1_799_990_000 + second as i64 * 100))).collect();
    assert_eq!(simplified(&track), [track[0], track[599]], "a straight line at a steady speed needs its ends alone");
}
