//! Fear: a real file comes in with rows lost, doubled or displaced. Counts were taken from the files by other means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use holdfast_domain::id::{IncidentId, MissionId, UnitId};
use holdfast_formats::dispatch::read_dispatch;
use holdfast_formats::mapping::Mapping;
use holdfast_formats::track::{TrackFormat, TrackImport, sniff};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn mission() -> MissionId {
    MissionId::mint(1_000, [1; 10])
}

fn track(name: &str, format: TrackFormat) -> TrackImport {
    let bytes = fixture(name);
    assert_eq!(sniff("", &bytes), Ok(format), "{name} is told by its content");
    let read = format.read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(read.fixes.iter().all(|fix| fix.check().is_ok()), "{name}");
    read
}

#[test]
fn a_thousand_calls_of_san_francisco() {
    let read = read_dispatch(&fixture("sf/sf-fire-calls.csv"), &Mapping::san_francisco(), mission()).expect("a table");
    assert_eq!((read.rows, read.rejected_total, &read.rejected[..]), (1_000, 0, &[][..]));
    assert_eq!((read.incidents.len(), read.units.len(), read.commitments.len()), (961, 108, 1_000));

    let (line, first) = &read.incidents[0];
    assert_eq!((*line, first.number.as_deref(), first.kind.as_str()), (2, Some("2003235"), "Structure Fire"));
    assert_eq!((first.address.as_str(), first.area.as_str()), ("2000 Block of CALIFORNIA ST", "Pacific Heights"));
    let position = first.position.expect("a place");
    assert_eq!((position.lat_e7(), position.lon_e7()), (377_895_841, -1_224_280_719));
    assert_eq!(first.opened_ms, Some(1_010_736_000_000), "11 January 2002, midnight in San Francisco, is 08:00 UTC");

    let mut urgencies: BTreeMap<u8, usize> = BTreeMap::new();
    read.incidents.iter().for_each(|(_, incident)| *urgencies.entry(incident.priority).or_default() += 1);
    assert_eq!(urgencies, [(1, 24), (2, 834), (3, 40), (4, 63)].into());
    assert!(read.incidents.iter().all(|(_, incident)| incident.position.is_some() && incident.check().is_ok()));

    let homes: BTreeMap<&str, &str> =
        read.units.iter().map(|(_, unit)| (unit.callsign.as_str(), unit.home.as_str())).collect();
    assert_eq!((homes["E01"], homes["E07"], homes["M18"]), ("1", "7", "18"), "where they are sent most often");
    let kinds: BTreeSet<&str> = read.units.iter().map(|(_, unit)| unit.kind.as_str()).collect();
    assert_eq!(kinds.len(), 8);
}

#[test]
fn a_second_import_names_the_same_records_and_another_mission_names_others() {
    let bytes = fixture("sf/sf-fire-calls.csv");
    let read = |mission| read_dispatch(&bytes, &Mapping::san_francisco(), mission).expect("a table");
    let (first, second, other) = (read(mission()), read(mission()), read(MissionId::mint(2_000, [2; 10])));
    assert_eq!(first, second);
    let ids = |read: &holdfast_formats::dispatch::DispatchImport| -> BTreeSet<IncidentId> {
        read.incidents.iter().filter_map(|(_, incident)| incident.id).collect()
    };
    assert_eq!(ids(&first).len(), 961, "all ids differ");
    assert!(ids(&first).is_disjoint(&ids(&other)));
    let units: BTreeSet<UnitId> = first.units.iter().filter_map(|(_, unit)| unit.id).collect();
    assert!(first.commitments.iter().all(|(unit, incident)| units.contains(unit) && ids(&first).contains(incident)));
}

#[test]
fn a_part_of_the_file_names_the_same_records_as_the_whole() {
    let bytes = fixture("sf/sf-fire-calls.csv");
    let text = String::from_utf8(bytes.clone()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let part = [&lines[..1], &lines[500..]].concat().join("\r\n");
    let read = |bytes: &[u8]| read_dispatch(bytes, &Mapping::san_francisco(), mission()).expect("a table");
    let known: BTreeSet<IncidentId> = read(&bytes).incidents.iter().filter_map(|(_, incident)| incident.id).collect();
    let part = read(format!("\u{feff}{part}").as_bytes());
    assert_eq!((part.rows, part.rejected_total), (501, 0), "a byte order mark and CRLF do no harm");
    assert!(part.incidents.iter().all(|(_, incident)| incident.id.is_some_and(|id| known.contains(&id))));
}

#[test]
fn receivers_logs() {
    let moving = track("nmea/haicom-305N.log", TrackFormat::Nmea);
    assert_eq!((moving.rows, moving.rejected_total, moving.fixes.len()), (325, 0, 68));
    let (first, last) = (moving.fixes[0], moving.fixes[67]);
    assert_eq!((first.at_ms, last.at_ms), (1_176_025_984_802, 1_176_026_055_787));
    assert_eq!((first.position.lat_e7(), first.position.lon_e7()), (-272_108_667, 1_530_523_283));
    assert_eq!((last.speed_cm_s, last.course_cdeg), (Some(109), Some(9_686)), "2.11 knots");
    assert!(moving.fixes.iter().all(|fix| fix.altitude_dm.is_some()), "GGA gave each its height");

    let boat = track("nmea/bundg_zeus_9.log", TrackFormat::Nmea);
    assert_eq!((boat.rows, boat.rejected_total, boat.fixes.len()), (4_999, 0, 148));
    assert_eq!(boat.fixes[0].at_ms, 1_534_758_456_000, "dated by the ZDA that came later");

    let tenths = track("nmea/nmea-fuzzy-cases.log", TrackFormat::Nmea);
    assert_eq!((tenths.rows, tenths.rejected_total, tenths.fixes.len()), (28, 0, 14));
    assert_eq!((tenths.fixes[0].at_ms, tenths.fixes[0].altitude_dm), (1_584_538_100_600, Some(2_780)));
}

#[test]
fn a_receiver_that_restarts_after_the_week_rollover_tears_its_own_sentences() {
    let read = track("nmea/nmea-gps-week-rollover-2019.log", TrackFormat::Nmea);
    assert_eq!((read.rows, read.rejected_total, read.fixes.len()), (139, 36, 2));
    assert_eq!(read.rejected[0].line, 27);
    assert!(read.rejected[0].reason.contains("checksum"), "{}", read.rejected[0].reason);
    assert_eq!(read.fixes[0].at_ms, 1_554_595_423_030, "7 April 2019, from before the restart");
}

#[test]
fn gpx_files() {
    for (name, points, fixes, first_ms, last_ms, lat_e7_sum) in [
        ("run", 206, 206, 1_351_121_380_000, 1_351_122_328_000, 80_182_317_526_i64),
        ("cerknicko-jezero", 296, 296, 1_281_018_239_000, 1_281_025_429_000, 135_477_345_768),
        ("around-visnjan-with-car", 104, 104, 1_608_272_150_000, 1_608_272_664_000, 47_086_785_497),
        ("blue_hills", 1_243, 1_243, 993_395_349_000, 990_909_851_000, 524_724_682_020),
        ("multitrackgpx", 117, 117, 1_215_856_703_000, 1_216_019_383_000, 56_553_514_907),
        ("osm", 420, 175, 1_178_896_980_000, 1_252_835_643_000, 68_074_993_974),
    ] {
        let read = track(&format!("gpx/{name}.gpx"), TrackFormat::Gpx);
        assert_eq!((read.rows, read.fixes.len()), (points, fixes), "{name}");
        assert_eq!(read.rejected_total, points - fixes as u64, "{name}");
        assert!(read.rejected.iter().all(|row| row.reason.contains("no <time>")), "{name}");
        assert_eq!((read.fixes[0].at_ms, read.fixes[fixes - 1].at_ms), (first_ms, last_ms), "{name}");
        let sum: i64 = read.fixes.iter().map(|fix| i64::from(fix.position.lat_e7())).sum();
        assert!((sum - lat_e7_sum).abs() < 10, "{name}: {sum}; halves may be rounded either way");
    }
}
