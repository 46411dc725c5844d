//! Fear: a track comes out of its segment other than it went in, or a hostile segment takes the node down.

use expect_test::expect;
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::feed::{self, TrackBody, TrackSpan};
use holdfast_domain::frame::PackForm;
use holdfast_domain::geography::LatLon;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::TRACK_FIXES_MAX;
use holdfast_domain::scope::StreamKind;
use holdfast_domain::track::Fix;
use holdfast_replica::replica::Replica;
use holdfast_replica::segment;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::crew::*;

fn at(at_ms: u64, lat_e7: i32, lon_e7: i32) -> Fix {
    let position = LatLon::from_e7(lat_e7, lon_e7).expect("on Earth");
    Fix { at_ms, position, altitude_dm: None, speed_cm_s: None, course_cdeg: None }
}

/// A vehicle at 1 Hz that turns through north, stands, and loses its height now and then.
fn drive(seconds: u64) -> Vec<Fix> {
    let (mut lat, mut lon) = (377_600_000, -1_224_200_000);
    let fixes = (0..seconds).map(|second| {
        let noise = blake3::hash(&second.to_le_bytes());
        let [a, b, c, d, ..] = noise.as_bytes().map(|byte| i32::from(byte) - 128);
        let speed = if second % 90 < 60 { 1_250 + c } else { 0 };
        (lat, lon) = (lat + speed / 15 + a / 4, lon + speed / 40 + b / 4);
        Fix {
            altitude_dm: (second % 50 != 7).then_some(300 + d / 16),
            speed_cm_s: Some(speed.unsigned_abs()),
            course_cdeg: Some((35_500 + 10 * second as u32 + c.unsigned_abs()).rem_euclid(36_000) as u16),
            ..at(START_MS + second * 1_000, lat, lon)
        }
    });
    fixes.collect()
}

prop_compose! {
    fn any_fix()(
        at_ms in prop_oneof![any::<u64>(), START_MS..START_MS + 10_000],
        lat in -900_000_000..=900_000_000_i32,
        lon in -1_800_000_000..=1_800_000_000_i32,
        altitude_dm in option::of(any::<i32>()),
        speed_cm_s in option::of(any::<u32>()),
        course_cdeg in option::of(any::<u16>()),
    ) -> Fix {
        Fix { altitude_dm, speed_cm_s, course_cdeg, ..at(at_ms, lat, lon) }
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_comes_out_again(fixes in vec(any_fix(), 0..80)) {
        prop_assert_eq!(segment::open(&segment::seal(&fixes)), Ok(fixes));
    }

    #[test]
    fn any_bytes_are_refused_or_read_but_never_harm(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(fixes) = segment::open(&bytes) {
            prop_assert!(fixes.len() <= TRACK_FIXES_MAX);
            prop_assert_eq!(segment::open(&segment::seal(&fixes)), Ok(fixes));
        }
    }

    #[test]
    fn a_damaged_segment_is_refused_or_read_but_never_harms(place in 0..900_usize, flip in 1..=255_u8, cut in 0..900_usize) {
        let mut bytes = segment::seal(&drive(200));
        let last = bytes.len() - 1;
        bytes[place.min(last)] ^= flip;
        let fixes = segment::open(&bytes).unwrap_or_default();
        prop_assert!(fixes.len() <= TRACK_FIXES_MAX);
        bytes.truncate(cut);
        prop_assert!(segment::open(&bytes).unwrap_or_default().len() <= TRACK_FIXES_MAX);
    }
}

#[test]
fn extremes_side_by_side_come_out_again() {
    let low = Fix {
        altitude_dm: Some(i32::MIN),
        speed_cm_s: Some(0),
        course_cdeg: Some(0),
        ..at(0, -900_000_000, -1_800_000_000)
    };
    let high = Fix {
        altitude_dm: Some(i32::MAX),
        speed_cm_s: Some(u32::MAX),
        course_cdeg: Some(u16::MAX),
        ..at(u64::MAX, 900_000_000, 1_800_000_000)
    };
    let round = |course_cdeg| Fix { course_cdeg: Some(course_cdeg), ..low };
    let middle = at(1 << 63, 0, 0);
    for fixes in [
        vec![],
        vec![low],
        vec![low, high, middle, high, low, low, high],
        [0, 36_000, 35_999, 0, 18_000, 36_000, 1].map(round).to_vec(),
        vec![high; TRACK_FIXES_MAX],
    ] {
        assert_eq!(segment::open(&segment::seal(&fixes)), Ok(fixes));
    }
}

/// Seconds of a unit that turns a degree a second at a speed that rises, from a latitude on.
fn turn(lat: i32, seconds: u32) -> Vec<Fix> {
    let (mut lat, mut lon) = (f64::from(lat), 1_799_000_000.0);
    let fixes = (0..seconds).map(|second| {
        let (speed, course) = (f64::from(500 + 7 * second), f64::from(second % 360));
        lat += speed * course.to_radians().cos() / 1.112;
        lon += speed * course.to_radians().sin() / 1.112 / (lat / 1e7).to_radians().cos();
        Fix {
            speed_cm_s: Some(500 + 7 * second),
            course_cdeg: Some(100 * (second % 360) as u16),
            ..at(START_MS + u64::from(second) * 1_000, lat as i32, lon.min(1_800_000_000.0) as i32)
        }
    });
    fixes.collect()
}

#[test]
fn speed_and_course_tell_where_a_turn_leads_anywhere_on_earth() {
    for lat in [0, 377_600_000, -889_900_000, 899_900_000] {
        let fixes = turn(lat, 300);
        let mut blind = fixes.clone();
        blind.iter_mut().for_each(|fix| fix.course_cdeg = None);
        let (reckoned, guessed) = (segment::seal(&fixes), segment::seal(&blind));
        assert_eq!(segment::open(&reckoned), Ok(fixes));
        assert_eq!(segment::open(&guessed), Ok(blind));
        println!("from {lat}: {} B with courses, {} B without", reckoned.len(), guessed.len());
        assert!(reckoned.len() < guessed.len(), "from {lat}");
    }
}

/// What lies on disks is read for ever: neither these bytes nor what they mean may change.
#[test]
fn the_bytes_of_a_segment_stay_as_they_are() {
    let mut fixes = drive(8);
    fixes[3] = Fix { speed_cm_s: None, course_cdeg: Some(36_000), ..fixes[3] };
    let sealed = segment::seal(&fixes);
    let hex = sealed.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    expect!["080100ad74301a97fff45ba788f0dd628b4ed87704e81ac10acaf0fdfed04ce273c954759f3baec08379c4c1ac356a1a4d47323143a267b406b47bbf06428b553bd4b36d2d960f"].assert_eq(&hex);
    assert_eq!(segment::open(&sealed), Ok(fixes));
}

#[test]
fn a_segment_that_lies_about_itself_is_refused() {
    let sealed = segment::seal(&drive(300));
    let told = |bytes: &[u8]| segment::open(bytes).expect_err("no segment").to_string();
    let check = |bytes: &[u8], part: &str| assert!(told(bytes).contains(part), "{} should say: {part}", told(bytes));
    check(&[], "does not say how many fixes");
    check(&[0xff; 12], "does not say how many fixes");
    check(&[0x81, 0x08, 0, 0], "too many fixes");
    check(&[5, 0], "ends early");
    check(&[1, 0, 0x40], "an unknown way");
    check(&sealed[..sealed.len() / 2], "");
    check(&[&sealed[..], &[0; 5]].concat(), "bytes left over");
    // A claim of many fixes with nothing behind it.
    check(&[0x80, 0x08, 0, 0], "");
}

#[test]
fn a_bad_segment_shows_nothing_and_an_old_track_body_still_does() {
    let mut member = Member::new(1);
    let written = holdfast_domain::clock::Hlc::new(START_MS, 0);
    let entry = |body: &TrackBody| {
        let key = EntryKey { stream: stream(StreamKind::Track), author: AuthorId([9; 16]), seq: 1 };
        Entry::next(key, None, feed::encode(body))
    };
    let bad = TrackBody::V2 { written, unit: unit(1), source: "live".to_owned(), segment: vec![0xff; 40] };
    let merged = member.take(&[entry(&bad)]);
    assert_eq!((merged.unreadable, merged.patches.len()), (1, 0));
    let (source, fixes) = ("live".to_owned(), drive(30));
    let plain = TrackBody::V1 { written, unit: unit(1), source: source.clone(), fixes: fixes.clone() };
    let sealed = TrackBody::V2 { written, unit: unit(1), source, segment: segment::seal(&fixes) };
    let merged = member.take(&[entry(&plain)]);
    assert_eq!(merged.unreadable, 0);
    assert_eq!(member.take(&[entry(&sealed)]).patches, merged.patches, "both say the same");
    let told = segment::body(written, unit(1), "live", &fixes);
    assert_eq!(member.take(&[entry(&told)]).patches, merged.patches, "and so does the form of today");
}

#[test]
fn a_body_tells_its_span_at_its_beginning_and_what_lies_outside_counts_as_not_there() {
    let written = holdfast_domain::clock::Hlc::new(START_MS, 0);
    let fixes = drive(600);
    let source = "x".repeat(holdfast_domain::limits::LINE_BYTES_MAX);
    let honest = segment::body(written, unit(1), &source, &fixes);
    let bytes = feed::encode(&honest);
    let span = TrackSpan { unit: unit(1), first_ms: fixes[0].at_ms, last_ms: fixes[599].at_ms };
    assert_eq!(TrackSpan::read(&bytes[..TrackSpan::BEGINNING_BYTES]), Some(span));
    for end in [0, 1, 20, 33] {
        assert_eq!(TrackSpan::read(&bytes[..end]), None);
    }
    let old = TrackBody::V2 { written, unit: unit(1), source: String::new(), segment: segment::seal(&fixes) };
    assert_eq!(TrackSpan::read(&feed::encode(&old)), None);

    let TrackBody::V3 { segment, .. } = honest else { panic!("the form of today") };
    let narrow = TrackSpan { first_ms: fixes[10].at_ms, last_ms: fixes[19].at_ms, ..span };
    let lying = TrackBody::V3 { written, span: narrow, source, segment };
    let key = EntryKey { stream: stream(StreamKind::TrackSampled), author: AuthorId([9; 16]), seq: 1 };
    let entry = Entry::next(key, None, feed::encode(&lying));
    assert_eq!(Replica::spans_of_feed(&entry), [narrow]);
    let none = Entry::next(key, None, feed::encode(&segment::body(written, unit(1), "", &[])));
    assert_eq!(Replica::rows_of_feed(&none).map(|rows| rows.len()), Ok(0));
}

#[test]
fn zstd_finds_nothing_in_segments_so_a_pack_sends_them_as_they_are() {
    let key = |seq| EntryKey { stream: stream(StreamKind::Track), author: AuthorId([9; 16]), seq };
    let entries: Vec<Entry> =
        (1..=6).map(|seq| Entry::next(key(seq), None, segment::seal(&drive(600 - seq)))).collect();
    let (form, payload) = Replica::new().pack(stream(StreamKind::Track), &entries, false);
    let bytes: usize = entries.iter().map(|entry| entry.body.len() + 2).sum();
    assert_eq!((form, payload.len()), (PackForm::Raw, bytes + 1));
}

#[test]
fn a_drive_takes_less_than_five_bytes_a_fix() {
    let fixes = drive(600);
    let bytes = segment::seal(&fixes).len();
    println!("{} fixes in {bytes} B, {:.2} each", fixes.len(), bytes as f64 / fixes.len() as f64);
    assert!(bytes < 5 * fixes.len(), "{bytes} B");
}
