//! Fear: a word changes its meaning - a state step, an absent field, an id, a limit - and stored or sent data is misread.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::str::FromStr;

use expect_test::{Expect, expect};
use holdfast_domain::entry::{Digest, ShortDigest, Signature};
use holdfast_domain::feed;
use holdfast_domain::field::Change;
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::{IncidentId, MissionId, TaskId, UnitId};
use holdfast_domain::identity::{AuthorId, DeviceId, OrgId, PublicKey};
use holdfast_domain::incident::{IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::limits::{LINE_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, TRACK_FIXES_MAX};
use holdfast_domain::message::{Channel, MessageNew};
use holdfast_domain::mission::{MissionChange, MissionStatus};
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamKind};
use holdfast_domain::task::{TaskChange, TaskStatus};
use holdfast_domain::track::{Fix, TrackNew};
use holdfast_domain::unit::{UnitNew, UnitStatus};
use serde_json::json;

macro_rules! check_steps {
    ($status:ident, $expected:expr) => {
        let rows = $status::ALL.iter().map(|from| {
            let next: Vec<&str> = from.next().iter().map(|to| to.as_str()).collect();
            for to in $status::ALL {
                let allowed = from == to || from.next().contains(to);
                assert_eq!(from.step(*to).is_ok(), allowed, "{from} to {to}");
            }
            assert_eq!($status::from_str(from.as_str()), Ok(*from));
            assert_eq!(serde_json::to_value(from).expect("JSON"), json!(from.as_str()));
            format!("{from} -> {}\n", next.join(", "))
        });
        $expected.assert_eq(&rows.collect::<Vec<_>>().concat());
    };
}

#[test]
fn every_state_has_its_steps() {
    check_steps!(
        MissionStatus,
        expect![[r"
            planned -> active, closed
            active -> closed
            closed -> active
        "]]
    );
    check_steps!(
        IncidentStatus,
        expect![[r#"
        reported -> dispatched, on_scene, closed
        dispatched -> on_scene, reported, closed
        on_scene -> contained, dispatched, closed
        contained -> on_scene, closed
        closed -> reported, on_scene
    "#]]
    );
    check_steps!(
        TaskStatus,
        expect![[r#"
        open -> accepted, in_progress, done, cancelled
        accepted -> in_progress, done, open, cancelled
        in_progress -> done, accepted, open, cancelled
        done -> in_progress, open
        cancelled -> open
    "#]]
    );
    check_steps!(
        UnitStatus,
        expect![[r#"
        available -> dispatched, en_route, on_scene, out_of_service
        dispatched -> en_route, on_scene, available, out_of_service
        en_route -> on_scene, dispatched, available, out_of_service
        on_scene -> available, en_route, dispatched, out_of_service
        out_of_service -> available
    "#]]
    );
}

#[test]
fn a_step_that_is_not_allowed_says_which_are() {
    let refusal = TaskStatus::Cancelled.step(TaskStatus::Done).expect_err("refused");
    expect!["a task that is cancelled cannot become done; it can become: open"].assert_eq(&refusal.to_string());
    let fault = UnitStatus::from_str("busy").expect_err("no such word");
    expect!["`busy` is no unit status; it is one of: available, dispatched, en_route, on_scene, out_of_service"]
        .assert_eq(&fault);
}

#[test]
fn absent_keeps_null_clears_and_a_value_sets() {
    let change = |text: &str| serde_json::from_str::<IncidentChange>(text);
    assert_eq!(change("{}").expect("a patch").notes, Change::Keep);
    assert_eq!(change(r#"{"notes": null}"#).expect("a patch").notes, Change::Clear);
    assert_eq!(change(r#"{"notes": ""}"#).expect("a patch").notes, Change::Set(String::new()));
    let task: TaskChange = serde_json::from_value(json!({"assignee": null, "due_ms": 5})).expect("a patch");
    assert_eq!((&task.assignee, &task.due_ms), (&Change::Clear, &Change::Set(5)));
    assert!(change(r#"{"note": "x"}"#).is_err(), "a misspelt field is not taken for an absent one");
    assert!(serde_json::from_value::<MissionChange>(json!({"id": MissionId::mint(1, [0; 10])})).is_err());
}

#[test]
fn a_patch_reads_back_as_it_was_written() {
    let change = IncidentChange { notes: Change::Clear, area: Change::Set("Mission".to_owned()), ..Default::default() };
    let text = serde_json::to_string(&change).expect("JSON");
    assert_eq!(text, r#"{"area":"Mission","notes":null}"#);
    assert_eq!(serde_json::from_str::<IncidentChange>(&text).expect("a patch"), change);
}

#[test]
fn ids_are_hex_in_json_and_bare_on_the_wire() {
    fn check<T>(id: T, hex: &str, bytes: &[u8])
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + Copy,
    {
        let text = serde_json::to_string(&id).expect("JSON");
        assert_eq!(text, format!("\"{hex}\""));
        assert_eq!(serde_json::from_str::<T>(&text).expect("an id"), id);
        assert_eq!(feed::encode(&id), bytes);
        assert_eq!(feed::decode::<T>(bytes).expect("an id"), id);
        assert!(serde_json::from_str::<T>(&text[..text.len() - 2]).is_err(), "too short");
        assert!(serde_json::from_str::<T>("\"xy\"").is_err(), "no hex");
        assert!(feed::decode::<T>(&bytes[1..]).is_err(), "too short");
    }
    check(OrgId([0xab; 16]), &"ab".repeat(16), &[0xab; 16]);
    check(DeviceId([1; 16]), &"01".repeat(16), &[1; 16]);
    check(AuthorId([0xff; 16]), &"ff".repeat(16), &[0xff; 16]);
    check(PublicKey([2; 32]), &"02".repeat(32), &[2; 32]);
    check(Digest([3; 32]), &"03".repeat(32), &[3; 32]);
    check(ShortDigest([4; 8]), &"04".repeat(8), &[4; 8]);
    check(Signature([5; 64]), &"05".repeat(64), &[5; 64]);
    assert_eq!(Digest([3; 32]).short(), ShortDigest([3; 8]));
}

#[test]
fn record_ids_are_uuids_of_version_7() {
    let id = IncidentId::mint(1_700_000_000_000, [0xff; 10]);
    expect!["018bcfe5-6800-7fff-bfff-ffffffffffff"].assert_eq(&id.to_string());
    assert_eq!(id.to_string().parse::<IncidentId>(), Ok(id));
    assert_eq!(feed::encode(&id).len(), 17, "a length and sixteen bytes");
    expect!["`7` is not a TaskId"].assert_eq(&"7".parse::<TaskId>().expect_err("no id").to_string());
    let long = "x".repeat(500).parse::<TaskId>().expect_err("no id");
    assert_eq!(long.text.len(), 80, "an error does not repeat a flood");
}

#[test]
fn derived_ids_are_the_same_everywhere_and_differ_by_part_and_kind() {
    let key = ["018bcfe5-6800-7fff-bfff-ffffffffffff", "sffd", "2003235"];
    let id = IncidentId::derived(1_010_736_000_000, &key);
    expect!["00eb548f-6c00-7821-b8f1-08dd0fd84216"].assert_eq(&id.to_string());
    assert_eq!(id, IncidentId::derived(1_010_736_000_000, &key));
    let bytes = id.as_bytes();
    assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 0b10), "version 7, variant of RFC 9562");
    assert_eq!(
        u64::from_be_bytes([0, 0, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]]),
        1_010_736_000_000
    );
    assert_ne!(id.as_bytes(), TaskId::derived(1_010_736_000_000, &key).as_bytes(), "another kind");
    assert_ne!(UnitId::derived(0, &["ab", "c"]), UnitId::derived(0, &["a", "bc"]), "parts do not run together");
    assert_ne!(UnitId::derived(0, &["a"]), UnitId::derived(0, &["a", ""]));
}

#[test]
fn a_record_id_names_its_kind() {
    let task = RecordId::Task(TaskId::from_bytes([9; 16]));
    let value = json!({"kind": "task", "id": "09090909-0909-0909-0909-090909090909"});
    assert_eq!(serde_json::to_value(task).expect("JSON"), value);
    assert_eq!(serde_json::from_value::<RecordId>(value).expect("an id"), task);
    assert_eq!(RecordId::from_parts(task.kind(), *task.as_bytes()), Some(task));
    assert_eq!(RecordId::from_parts("track", [9; 16]), None);
}

#[test]
fn a_place_is_on_earth_or_refused() {
    for (lat, lon) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0), (37.789_584_1, -122.428_071_9)] {
        let place = LatLon::new(lat, lon).expect("on Earth");
        assert!((place.lat() - lat).abs() < 1e-7 && (place.lon() - lon).abs() < 1e-7);
        assert_eq!(LatLon::from_e7(place.lat_e7(), place.lon_e7()), Ok(place));
        assert_eq!(feed::decode::<LatLon>(&feed::encode(&place)).expect("a place"), place);
        let text = serde_json::to_string(&place).expect("JSON");
        assert_eq!(serde_json::from_str::<LatLon>(&text).expect("a place"), place);
    }
    for (lat, lon) in [(90.000_000_1, 0.0), (0.0, -180.000_000_1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        assert!(LatLon::new(lat, lon).is_err(), "{lat} {lon}");
    }
    assert!(LatLon::from_e7(900_000_001, 0).is_err());
    assert!(serde_json::from_value::<LatLon>(json!({"lat": 91, "lon": 0})).is_err());
    assert!(serde_json::from_value::<LatLon>(json!({"lat": 9, "lon": 0, "alt": 3})).is_err());
    assert!(feed::decode::<LatLon>(&feed::encode(&(i32::MAX, 0_i32))).is_err(), "on the wire, too");
}

#[test]
fn names_lines_and_texts_have_limits_and_no_control_characters() {
    fn check(result: Result<(), holdfast_domain::refusal::Refusal>, expected: &Expect) {
        expected.assert_eq(&result.map_or_else(|refusal| refusal.to_string(), |()| "ok".to_owned()));
    }
    let unit =
        |callsign: &str| UnitNew { id: None, callsign: callsign.to_owned(), kind: String::new(), home: String::new() };
    check(unit("E07").check(), &expect!["ok"]);
    check(unit(&"é".repeat(NAME_BYTES_MAX / 2)).check(), &expect!["ok"]);
    check(
        unit(&"x".repeat(NAME_BYTES_MAX + 1)).check(),
        &expect!["callsign is 121 bytes long; at most 120 are allowed"],
    );
    check(unit(" \t").check(), &expect!["callsign is empty"]);
    check(unit("E\u{1b}[31m07").check(), &expect!["callsign has control characters"]);
    check(
        UnitNew { home: "x".repeat(LINE_BYTES_MAX + 1), ..unit("E07") }.check(),
        &expect!["home is 401 bytes long; at most 400 are allowed"],
    );
    let message = |text: String| MessageNew { id: None, channel: Channel::Mission, text };
    check(message("two\nlines\tand a tab".to_owned()).check(), &expect!["ok"]);
    check(
        message("x".repeat(TEXT_BYTES_MAX + 1)).check(),
        &expect!["text is 16385 bytes long; at most 16384 are allowed"],
    );
    check(message("\n".to_owned()).check(), &expect!["text is empty"]);
}

#[test]
fn urgency_times_and_tracks_have_limits() {
    let incident: IncidentNew = serde_json::from_value(json!({"kind": "Fire"})).expect("the least there is");
    assert_eq!((incident.priority, &incident.position, incident.check().is_ok()), (3, &None, true));
    for (priority, fine) in [(0, false), (1, true), (5, true), (6, false)] {
        assert_eq!(IncidentNew { priority, ..incident.clone() }.check().is_ok(), fine, "{priority}");
    }
    let position = LatLon::new(1.0, 2.0).expect("on Earth");
    let fix = Fix { at_ms: 5, position, altitude_dm: None, speed_cm_s: None, course_cdeg: Some(36_000) };
    assert!(fix.check().is_ok());
    assert!(Fix { course_cdeg: Some(36_001), ..fix }.check().is_err());
    assert!(Fix { at_ms: 1 << 48, ..fix }.check().is_err());
    for (fixes, fine) in [(0, false), (1, true), (TRACK_FIXES_MAX, true), (TRACK_FIXES_MAX + 1, false)] {
        let track = TrackNew { source: "gpx".to_owned(), fixes: vec![fix; fixes] };
        assert_eq!(track.check().is_ok(), fine, "{fixes}");
    }
}

#[test]
fn codes_of_streams_never_change() {
    let table: Vec<String> = StreamKind::ALL
        .iter()
        .map(|kind| {
            assert_eq!(StreamKind::from_code(kind.code()), Some(*kind));
            format!("{} {} {:?} {:?}\n", kind.code(), kind.as_str(), kind.family(), kind.class())
        })
        .collect();
    expect![[r#"
        0 board Document P2
        1 roster Document P2
        2 control Feed P0
        3 message Feed P2
        4 track Feed P4
        5 latest Register P1
        6 alert Feed P0
        7 blob Feed P2
        8 holds Register P3
        9 track_sampled Feed P4
        10 track_simplified Feed P4
    "#]]
    .assert_eq(&table.concat());
    assert_eq!(StreamKind::from_code(u8::MAX), None);
    let mission = Scope::Mission(MissionId::from_bytes([1; 16]));
    assert_eq!(mission.to_string().parse::<Scope>(), Ok(mission));
    assert_eq!("org".parse::<Scope>(), Ok(Scope::Org));
    assert!("orgs".parse::<Scope>().is_err());
}
