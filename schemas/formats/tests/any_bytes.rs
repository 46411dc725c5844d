//! Fear: a file made to do harm, or just damaged, stops the program.

use std::path::PathBuf;

use holdfast_domain::id::MissionId;
use holdfast_formats::dispatch::read_dispatch;
use holdfast_formats::mapping::Mapping;
use holdfast_formats::track::{TrackFormat, sniff};
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads the bytes in every way there is; what comes out must add up and stand.
fn read_in_every_way(bytes: &[u8]) {
    let _ = sniff("any", bytes);
    for format in [TrackFormat::Gpx, TrackFormat::Nmea, TrackFormat::Csv] {
        if let Ok(read) = format.read(bytes) {
            assert!(read.fixes.iter().all(|fix| fix.check().is_ok()));
            assert!(read.rejected_total <= read.rows && read.rejected.len() as u64 <= read.rejected_total);
            assert!(read.rejected.iter().all(|row| row.line >= 1 && row.reason.len() < 1_000), "{:?}", read.rejected);
        }
    }
    if let Ok(read) = read_dispatch(bytes, &Mapping::san_francisco(), MissionId::mint(1, [1; 10])) {
        assert!(read.incidents.iter().all(|(_, incident)| incident.check().is_ok()));
        assert!(read.units.iter().all(|(_, unit)| unit.check().is_ok()));
        assert!(read.commitments.len() as u64 + read.rejected_total <= read.rows);
    }
}

/// The first part of a file, with bytes overwritten, cut out and put in.
fn mutated(name: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let whole = fixture(name);
    let start = whole[..whole.len().min(6_000)].to_vec();
    let place = 0..start.len();
    let edits = prop::collection::vec((place, 0..4_u8, any::<u8>(), 1..40_usize), 1..12);
    edits.prop_map(move |edits| {
        let mut bytes = start.clone();
        for (at, kind, byte, length) in edits {
            let at = at.min(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 => bytes[at..end].fill(byte),
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn random_texts_of_the_characters_that_matter(text in "[$!*#,.\"<>/=GPRMCZDA0-9ASEWN \r\n\u{e9}-]{0,400}") {
        read_in_every_way(text.as_bytes());
        read_in_every_way(format!("time,lat,lon\n{text}").as_bytes());
        read_in_every_way(format!("<gpx><trkpt lat=\"1\" lon=\"2\">{text}").as_bytes());
    }

    #[test]
    fn damaged_calls(bytes in mutated("sf/sf-fire-calls.csv")) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn damaged_gpx(bytes in prop_oneof![mutated("gpx/run.gpx"), mutated("gpx/around-visnjan-with-car.gpx")]) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn damaged_logs(bytes in prop_oneof![mutated("nmea/haicom-305N.log"), mutated("nmea/nmea-gps-week-rollover-2019.log")]) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn a_mapping_of_any_text(text in "[a-z_={}\"\\[\\]\n ]{0,200}") {
        let _ = Mapping::parse(&text);
    }
}
