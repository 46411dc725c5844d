//! Fear: a wrong or damaged file is taken for a right one, or is refused without telling what would be right.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::path::PathBuf;

use expect_test::{Expect, expect};
use holdfast_domain::api::RejectedRow;
use holdfast_domain::id::MissionId;
use holdfast_domain::limits::{IMPORT_BYTES_MAX, IMPORT_REJECTED_ROWS_MAX};
use holdfast_formats::dispatch::{DispatchImport, read_dispatch};
use holdfast_formats::error::FormatError;
use holdfast_formats::gpx::read_gpx;
use holdfast_formats::mapping::Mapping;
use holdfast_formats::track::{TrackFormat, TrackImport, sniff};
use holdfast_formats::track_csv::read_track_csv;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dispatch(bytes: &[u8]) -> Result<DispatchImport, FormatError> {
    read_dispatch(bytes, &Mapping::san_francisco(), MissionId::mint(1_000, [1; 10]))
}

fn check_refused<T: std::fmt::Debug>(result: Result<T, FormatError>, expected: &Expect) {
    expected.assert_eq(&result.expect_err("refused").to_string());
}

fn check_track(read: &TrackImport, expected: &Expect) {
    let counts = format!("{} rows, {} fixes, {} rejected\n", read.rows, read.fixes.len(), read.rejected_total);
    expected.assert_eq(&(counts + &told(&read.rejected)));
}

fn told(rejected: &[RejectedRow]) -> String {
    rejected.iter().map(|row| format!("line {}: {}\n", row.line, row.reason)).collect::<Vec<_>>().concat()
}

#[test]
fn files_of_another_kind_are_refused_by_name() {
    check_refused(
        dispatch(&fixture("broken/git-lfs-pointer-instead-of.csv")),
        &expect![[
            r"expected a CSV table of dispatched calls with a head that names the columns, but this is a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`"
        ]],
    );
    check_refused(
        dispatch(&fixture("broken/single-quotes-trailing-commas.geojson")),
        &expect![[
            r"expected a CSV table of dispatched calls with a head that names the columns, but this is JSON; export it as CSV"
        ]],
    );
    check_refused(
        dispatch(b"\xff\xd8\xff\xe0\0\x10JFIF"),
        &expect![[
            r"expected a CSV table of dispatched calls with a head that names the columns, but this is a JPEG picture"
        ]],
    );
    check_refused(
        dispatch(b" \r\n \n"),
        &expect!["the file is empty; expected a CSV table of dispatched calls with a head that names the columns"],
    );
    check_refused(
        dispatch(b"\xff\xfeC\0a\0l\0l\0"),
        &expect![[
            r"expected a CSV table of dispatched calls with a head that names the columns, but this is text in UTF-16; save it as UTF-8"
        ]],
    );
    check_refused(
        dispatch(&vec![b'x'; IMPORT_BYTES_MAX + 1]),
        &expect!["the file has 67108865 bytes; at most 67108864 are allowed, split it"],
    );
    check_refused(
        TrackFormat::Gpx.read(&fixture("nmea/haicom-305N.log")),
        &expect!["expected GPX 1.0 or 1.1, but this is not XML"],
    );
}

#[test]
fn a_table_without_the_columns_is_refused_with_those_it_has() {
    check_refused(
        dispatch(b"CallNumber,UnitID,Location\n1,2,3\n"),
        &expect![
            "the table has no column `Address`, `CallDate`, `CallType`, `IncidentNumber`, `Neighborhood`, `Priority`, `StationArea`, `UnitType`; it has: `CallNumber`, `UnitID`, `Location`"
        ],
    );
    check_refused(
        dispatch(b"CallNumber,\"UnitID\n"),
        &expect!["line 1: the head of the table cannot be read: a quote is opened and not closed"],
    );
    check_refused(read_track_csv(b"time,lat\n"), &expect!["the table has no column `lon`; it has: `time`, `lat`"]);
}

#[test]
fn damaged_rows_are_named_and_the_rest_goes_in() {
    let text = String::from_utf8(fixture("sf/sf-fire-calls.csv")).expect("text");
    let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    let mut damage = |line: usize, from: &str, to: &[u8]| {
        let row = String::from_utf8(lines[line - 1].clone()).expect("text");
        let (before, after) = row.split_once(from).expect("there to be damaged");
        lines[line - 1] = [before.as_bytes(), to, after.as_bytes()].concat();
    };
    damage(2, "2000 Block", b"\"2000 Block");
    damage(3, "2002-01-11", b"11.01.2002");
    damage(4, ",SF,", b",SF,SF,");
    damage(5, "(37", b"(97");
    damage(6, "of", b"\xff\xfe");
    damage(7, "2002-01-11", b"2002-02-30");
    damage(8, "\"(37", b"(37");
    damage(9, ",3,3,3,", b",3,9,3,");
    damage(10, "(37", b"37 N");
    let read = dispatch(&lines.join(&b"\n"[..])).expect("a table");
    assert_eq!((read.rows, read.rejected_total), (1_000, 9));
    expect![[r#"
        line 2: a closing quote is followed by `(37.7895840679362, -122.428071912459)",020110016-T13,2.95`; double a quote to keep it
        line 3: `11.01.2002` is not a time; give it as `%Y-%m-%d`
        line 4: the row has 29 cells; the head has 28
        line 5: latitude 97.7388432849018, longitude -122.423948785199 is not on Earth: give latitude -90..90, longitude -180..180, WGS 84 degrees
        line 6: the row is not UTF-8; save the file as UTF-8
        line 7: `2002-02-30` is not a time; give it as `%Y-%m-%d`
        line 8: a quote stands inside ` -122.454117149916)"`; quote the whole cell and double the quote
        line 9: priority `9` is not in the mapping, which knows 1, 2, 3, A, B, C, D, E, I
        line 10: latitude `37 N.784958590666` is not a number; give digits such as 37.7749
    "#]]
    .assert_eq(&told(&read.rejected));
}

#[test]
fn a_row_without_number_or_kind_is_rejected_and_one_without_place_or_unit_is_not() {
    let mapping = Mapping::parse(
        r#"
        source = "county"
        delimiter = ";"
        empty = ["-"]
        number = { column = "No" }
        kind = { column = "Type" }
        lat = { column = "Y" }
        lon = { column = "X" }
        opened = { column = "At", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
        unit = { column = "Unit" }
        "#,
    )
    .expect("a mapping");
    let table = "No;Type;Y;X;At;Unit\n\
        1;Fire;52,5;13.4;01.07.2024 12:00;E1\n\
        2;Fire;-;-;01.07.2024 12:00;-\n\
        ;Fire;52.5;13.4;01.07.2024 12:00;E1\n\
        3;-;52.5;13.4;01.07.2024 12:00;E1\n\
        4;Fire;52.5;;01.07.2024 12:00;E1\n\
        2;Flood;52.5;13.4;02.07.2024 12:00;E2\n";
    let read = read_dispatch(table.as_bytes(), &mapping, MissionId::mint(1_000, [1; 10])).expect("a table");
    expect![[r"
        line 2: latitude `52,5` is not a number; give digits such as 37.7749
        line 4: no number: column `No` is empty
        line 5: no kind: column `Type` is empty
        line 6: longitude `` is not a number; give digits such as 37.7749
    "]]
    .assert_eq(&told(&read.rejected));
    assert_eq!(read.incidents.len(), 1, "two rows of incident 2 are one incident");
    let (line, incident) = &read.incidents[0];
    assert_eq!((*line, incident.kind.as_str(), incident.position), (3, "Fire", None), "the first row counts");
    assert_eq!(incident.opened_ms, Some(1_719_828_000_000), "12:00 in Berlin in summer is 10:00 UTC");
    assert_eq!(read.commitments, [(read.units[0].1.id.expect("an id"), incident.id.expect("an id"))]);
}

#[test]
fn a_file_wrong_in_every_row_is_told_in_a_thousand_lines() {
    let table = format!("time,lat,lon\n{}", "x,y,z\n".repeat(5_000));
    let read = read_track_csv(table.as_bytes()).expect("a table");
    assert_eq!((read.rows, read.rejected_total, read.rejected.len()), (5_000, 5_000, IMPORT_REJECTED_ROWS_MAX));
}

#[test]
fn a_gpx_file_that_breaks_off_gives_what_came_before() {
    let run = fixture("gpx/run.gpx");
    let at = run.len() / 2;
    check_track(
        &read_gpx(&run[..at]).expect("half a track"),
        &expect![[r#"
        102 rows, 101 fixes, 1 rejected
        line 932: the XML breaks off here (syntax error: tag not closed: `>` not found before end of in…); what follows is not read
    "#]],
    );
    let crossed = String::from_utf8(run).expect("text").replacen("</trkpt>", "</trkptt>", 1);
    check_track(
        &read_gpx(crossed.as_bytes()).expect("a track"),
        &expect![[r#"
        1 rows, 0 fixes, 1 rejected
        line 24: the XML breaks off here (ill-formed document: expected `</trkpt>`, but `</trkptt>` wa…); what follows is not read
    "#]],
    );
}

#[test]
fn routes_waypoints_and_other_xml_are_no_tracks() {
    check_refused(
        read_gpx(&fixture("gpx/route.gpx")),
        &expect![
            "the GPX file has no track point (<trkpt>), but 55 route points and 0 waypoints; a route says where to go, not where a unit was"
        ],
    );
    check_refused(
        read_gpx(&fixture("gpx/fells_loop.gpx")),
        &expect![
            "the GPX file has no track point (<trkpt>), but 46 route points and 86 waypoints; a route says where to go, not where a unit was"
        ],
    );
    check_refused(
        read_gpx(b"<kml><trkpt/></kml>"),
        &expect!["expected GPX, but line 1 says otherwise: the root element is <kml>, not <gpx>"],
    );
}

#[test]
fn points_are_judged_one_by_one() {
    let gpx = r#"<gpx version="1.1"><trk><trkseg>
<trkpt lat="37.5" lon="-122.5"><ele>-1.26</ele><time>2024-07-01T12:00:00Z</time><speed>11.111</speed><course>90.5</course></trkpt>
<trkpt lat="37.5" lon="-122.5"><time>2024-07-01T14:00:01.5+02:00</time><extensions><x:speed>-1</x:speed><time>no</time></extensions></trkpt>
<trkpt lat="97.5" lon="-122.5"><time>2024-07-01T12:00:00Z</time></trkpt>
<trkpt lon="-122.5"><time>2024-07-01T12:00:00Z</time></trkpt>
<trkpt lat="37.5" lon="-122.5"><time>noon</time></trkpt>
<trkpt lat="37.5" lon="-122.5"/>
<trkpt lat="37.5" lon="-122.5"><ele>high</ele><time>2024-07-01T12:00:00Z</time></trkpt>
</trkseg></trk></gpx>"#;
    let read = read_gpx(gpx.as_bytes()).expect("a track");
    check_track(
        &read,
        &expect![[r#"
        7 rows, 2 fixes, 5 rejected
        line 4: latitude 97.5, longitude -122.5 is not on Earth: give latitude -90..90, longitude -180..180, WGS 84 degrees
        line 5: the point lacks `lat` or `lon`
        line 6: `noon` is not a time; give it as `2026-01-31T14:05:00Z`
        line 7: the point has no <time>; a track says when a unit was where
        line 8: elevation `high` is not a number; give digits such as 37.7749
    "#]],
    );
    let (first, second) = (read.fixes[0], read.fixes[1]);
    assert_eq!((first.altitude_dm, first.speed_cm_s, first.course_cdeg), (Some(-13), Some(1_111), Some(9_050)));
    assert_eq!((second.at_ms - first.at_ms, second.speed_cm_s), (1_500, None), "a negative speed is unknown");
}

#[test]
fn position_tables_in_the_ways_people_write_them() {
    let table = "Latitude,Longitude,Timestamp,ele,speed_m_s,course\n\
        37.5,-122.5,2024-07-01T12:00:00Z,10.04,5.144,359.99\n\
        37.5,-122.5,1719835200,,,\n\
        37.5,-122.5,1719835200250,,-1,-1\n\
        37.5,-122.5,12:00,,,\n\
        37.5,-122.5,2024-07-01T12:00:00Z,,fast,\n";
    let read = read_track_csv(table.as_bytes()).expect("a table");
    check_track(
        &read,
        &expect![[r#"
        5 rows, 3 fixes, 2 rejected
        line 5: `12:00` is not a time; give it as `2026-01-31T14:05:00Z`
        line 6: speed `fast` is not a number; give digits such as 37.7749
    "#]],
    );
    let first = read.fixes[0];
    assert_eq!((first.altitude_dm, first.speed_cm_s, first.course_cdeg), (Some(100), Some(514), Some(35_999)));
    assert_eq!(read.fixes.iter().map(|fix| fix.at_ms - first.at_ms).collect::<Vec<_>>(), [0, 0, 250]);
}

#[test]
fn the_content_tells_the_format_though_the_name_lies() {
    assert_eq!(sniff("track.csv", &fixture("gpx/run.gpx")), Ok(TrackFormat::Gpx));
    assert_eq!(sniff("track.gpx", &fixture("nmea/bundg_zeus_9.log")), Ok(TrackFormat::Nmea));
    assert_eq!(sniff("track.log", b"# a remark\nTime,Lat,Lon\n"), Ok(TrackFormat::Csv));
    assert_eq!(sniff("TRACK.GPX", b"<!-- nothing yet -->"), Ok(TrackFormat::Gpx));
    check_refused(
        sniff("notes.txt", b"hello"),
        &expect!["cannot tell what `notes.txt` is; expected GPX, an NMEA log, or CSV with columns time, lat and lon"],
    );
    check_refused(
        sniff("calls.csv", &fixture("broken/git-lfs-pointer-instead-of.csv")),
        &expect![
            "expected a track: GPX, an NMEA log, or CSV with columns time, lat and lon, but this is a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`"
        ],
    );
}
