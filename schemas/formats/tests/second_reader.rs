//! Fear: our reading of NMEA is wrong and our own tests agree with it. Another project's parser must see the same fixes.

use std::path::PathBuf;

use holdfast_formats::nmea::read_nmea;
use nmea::{ParseResult, parse_str};

#[test]
fn the_nmea_crate_sees_the_same_fixes_in_real_logs() {
    for log in ["haicom-305N", "bundg_zeus_9", "nmea-fuzzy-cases"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/fixtures/nmea/{log}.log"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ours = read_nmea(&bytes).expect("a log").fixes;
        let mut compared = 0;
        for line in String::from_utf8(bytes).expect("text").lines() {
            let Ok(ParseResult::RMC(theirs)) = parse_str(line.trim()) else { continue };
            let (Some(date), Some(time), Some(lat), Some(lon)) =
                (theirs.fix_date, theirs.fix_time, theirs.lat, theirs.lon)
            else {
                continue;
            };
            if theirs.status_of_fix == nmea::sentences::rmc::RmcStatusOfFix::Invalid {
                continue;
            }
            let at_ms = date.and_time(time).and_utc().timestamp_millis();
            let fix = ours.iter().find(|fix| fix.at_ms as i64 == at_ms);
            let fix = fix.unwrap_or_else(|| panic!("{log}: no fix at {at_ms}: {line}"));
            let near = |ours: f64, theirs: f64| (ours - theirs).abs() < 1e-7;
            assert!(near(fix.position.lat(), lat) && near(fix.position.lon(), lon), "{log}: {line}");
            let speed = theirs.speed_over_ground.map(|knots| (f64::from(knots) * 1852.0 / 36.0).round() as u32);
            assert_eq!(fix.speed_cm_s, speed, "{log}: {line}");
            compared += 1;
        }
        assert!(compared > 10, "{log}: only {compared} compared");
    }
}
