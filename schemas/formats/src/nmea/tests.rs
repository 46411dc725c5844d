//! Fear: a receiver's log is read a day, a hemisphere or a unit off, or damage passes for a fix.

use expect_test::{Expect, expect};

use super::*;

/// A sentence with its checksum.
fn sealed(content: &str) -> String {
    let sum = content.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${content}*{sum:02X}\r\n")
}

fn check(log: &str, expected: &Expect) {
    let read = read_nmea(log.as_bytes()).expect("a log");
    let fixes = read.fixes.iter().map(|fix| {
        format!(
            "{} {:.7} {:.7} alt {:?} speed {:?} course {:?}",
            fix.at_ms,
            fix.position.lat(),
            fix.position.lon(),
            fix.altitude_dm,
            fix.speed_cm_s,
            fix.course_cdeg
        )
    });
    let rejected = read.rejected.iter().map(|row| format!("line {}: {}", row.line, row.reason));
    let warnings = read.warnings.iter().map(|warning| format!("warning: {warning}"));
    let out: String = fixes.chain(rejected).chain(warnings).map(|line| line + "\n").collect();
    expected.assert_eq(&out);
}

#[test]
fn the_two_sentences_of_a_moment_are_one_fix_in_either_order() {
    let rmc = sealed("GPRMC,095303.809,A,2712.6404,S,15303.1201,W,1.00,359.99,080407,,,A");
    let gga = sealed("GNGGA,095303.809,2712.6404,S,15303.1201,W,1,04,1.0,4.06,M,42.2,M,,");
    let expected = expect![[r"
        1176025983809 -27.2106733 -153.0520017 alt Some(41) speed Some(51) course Some(35999)
    "]];
    check(&format!("{rmc}{gga}"), &expected);
    check(&format!("{gga}{rmc}"), &expected);
}

#[test]
fn heights_alone_are_dated_by_what_is_near_and_carried_over_midnight() {
    let gga = |time: &str| sealed(&format!("GPGGA,{time},4808.9993,N,01135.0798,E,1,04,01.4,460.0,M,46.2,M,,"));
    let log = gga("235958") + &sealed("GPZDA,235959,31,12,2025,00,00") + &gga("235959") + &gga("000001");
    check(
        &log,
        &expect![[r"
            1767225598000 48.1499883 11.5846633 alt Some(4600) speed None course None
            1767225599000 48.1499883 11.5846633 alt Some(4600) speed None course None
            1767225601000 48.1499883 11.5846633 alt Some(4600) speed None course None
        "]],
    );
    check(
        &gga("235958"),
        &expect![[r"
            line 1: the fix has a time but no date; an RMC or ZDA sentence must be near it
        "]],
    );
}

#[test]
fn sentences_without_a_fix_are_passed_over_in_silence() {
    let log = sealed("GPRMC,095255.810,V,2712.6404,S,15303.1201,E,0.00,0.00,080407,,,A")
        + &sealed("GPRMC,095255.810,A,2712.6404,S,15303.1201,E,0.00,0.00,080407,,,N")
        + &sealed("GPGGA,095257.809,2712.6404,S,15303.1201,E,0,00,00.0,4.0,M,42.2,M,,")
        + &sealed("GPZDA,,,,,,")
        + &sealed("GPGSV,3,3,12,24,58,220,,26,17,053,,29,20,063,,30,60,311,44")
        + "$PGRME,15.0,M,45.0,M,25.0,M*1C\n!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D\n# a remark\n";
    check(&log, &expect![""]);
}

#[test]
fn damage_is_named_with_its_line() {
    let good = sealed("GPRMC,095303,A,2712.6404,S,15303.1201,W,1.00,359.99,080407,,,A");
    let log = format!("noise\n{}", good.replace("2712", "2713"))
        + "$GPRMC,095303,A,2712.6404,S,15303.1201,W,1.00,359.99,080407,,,A\n"
        + "$GPGSV,3,3,12,24,58,2$GPRMC,09530\n"
        + &sealed("GPRMC,095303,A,2799.6404,S,15303.1201,W,1.00,359.99,080407,,,A")
        + &sealed("GPRMC,245303,A,2712.6404,S,15303.1201,W,1.00,359.99,080407,,,A")
        + &sealed("GPRMC,095303,A,2712.6404,X,15303.1201,W,1.00,359.99,080407,,,A")
        + &sealed("GPRMC,095303,A,2712.6404,S,15303.1201,W,1.00,359.99,310207,,,A")
        + &sealed("GPRMC,095303,A,9912.6404,S,15303.1201,W,1.00,359.99,080407,,,A")
        + &sealed("GPGGA,095303,2712.6404,S,15303.1201,W,1,04,1.0,high,M,42.2,M,,");
    check(
        &log,
        &expect![[r"
            line 1: `noise` is no NMEA sentence
            line 2: the checksum is 70, but `GPRMC,095303,A,2713.6404,S,15303.1201,W,1.00,359.99,080407,,…` sums to 71: it was damaged
            line 3: RMC has no checksum; it ends with `*` and two hex digits
            line 4: RMC has no checksum; it ends with `*` and two hex digits
            line 5: RMC: `2799.6404` is not degrees and minutes such as `4808.9993`
            line 6: RMC: `245303` is not a time such as `095303.809`
            line 7: RMC: hemisphere `X` is neither N nor S
            line 8: RMC: `310207` is not a date such as `311225` for 31 December 2025
            line 9: RMC: latitude -99.21067333333333, longitude -153.05200166666665 is not on Earth: give latitude -90..90, longitude -180..180, WGS 84 degrees
            line 10: GGA: altitude `high` is not a number; give digits such as 37.7749
        "]],
    );
}

#[test]
fn a_week_rollover_is_told_and_the_dates_are_kept() {
    let rmc =
        |time: &str, date: &str| sealed(&format!("GPRMC,{time},A,4808.9993,N,01135.0798,E,0.1,0.0,{date},3.0,E,A"));
    check(
        &(rmc("000001", "070419") + &rmc("000002", "220899") + &rmc("000003", "210899")),
        &expect![[r"
            1554595201000 48.1499883 11.5846633 alt None speed Some(5) course Some(0)
            935280002000 48.1499883 11.5846633 alt None speed Some(5) course Some(0)
            935193603000 48.1499883 11.5846633 alt None speed Some(5) course Some(0)
            warning: line 2: the date jumps from 2019-04-07 to 1999-08-22, a multiple of 1,024 weeks: the GPS week counter rolled over
            warning: line 3: the date falls back from 1999-08-22 to 1999-08-21
        "]],
    );
    check(
        &rmc("000001", "220899"),
        &expect![[r"
            935280001000 48.1499883 11.5846633 alt None speed Some(5) course Some(0)
            warning: line 1: the date is 1999-08-22; a receiver that lost count of GPS weeks dates its fixes 1,024 weeks too early
        "]],
    );
}

#[test]
fn a_file_without_one_sentence_is_no_log() {
    assert_eq!(read_nmea(b"hello\nworld\n").expect_err("no log"), FormatError::NoSentence { lines: 3 });
}
