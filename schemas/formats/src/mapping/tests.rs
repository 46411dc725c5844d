//! Fear: a mapping with a slip imports the wrong thing in silence.

use expect_test::{Expect, expect};

use super::*;

const GOOD: &str = r#"
source = "county-cad"
number = { column = "Incident" }
kind = { constant = "Fire" }
opened = { column = "Received", format = "iso8601", zone = "UTC" }
"#;

fn check(toml: &str, expected: &Expect) {
    expected.assert_eq(&Mapping::parse(toml).expect_err("a fault").to_string());
}

#[test]
fn a_short_mapping_is_enough() {
    let mapping = Mapping::parse(GOOD).expect("a mapping");
    assert_eq!(mapping.columns(), ["Incident", "Received"]);
    assert_eq!(mapping.delimiter, ',');
    Mapping::san_francisco().check().expect("the built-in mapping works");
}

#[test]
fn a_misspelt_key_is_an_error() {
    check(
        &GOOD.replace("kind", "knid"),
        &expect![[r#"
            the mapping cannot be used: TOML parse error at line 4, column 1
              |
            4 | knid = { constant = "Fire" }
              | ^^^^
            unknown field `knid`, expected one of `source`, `delimiter`, `empty`, `number`, `kind`, `priority`, `address`, `area`, `lat`, `lon`, `location`, `opened`, `unit`, `unit_kind`, `unit_home`"#]],
    );
}

#[test]
fn halves_and_contradictions_are_errors() {
    check(
        &GOOD.replace("{ column = \"Incident\" }", "{}"),
        &expect!["the mapping cannot be used: `number` needs either `column` or `constant`"],
    );
    check(
        &format!("{GOOD}lat = {{ column = \"Y\" }}"),
        &expect!["the mapping cannot be used: `lat` and `lon` go together"],
    );
    check(
        &format!("{GOOD}unit_kind = {{ column = \"Y\" }}"),
        &expect!["the mapping cannot be used: `unit_kind` and `unit_home` need `unit`"],
    );
    check(
        &format!("{GOOD}priority = {{ column = \"P\", words = {{ A = 9 }} }}"),
        &expect!["the mapping cannot be used: `priority.words` maps `A` to 9; give 1 (highest) to 5"],
    );
    check(
        &format!("{GOOD}delimiter = \"é\""),
        &expect![
            "the mapping cannot be used: `delimiter` must be one ASCII character that is no quote and no line end"
        ],
    );
}

#[test]
fn times_need_a_format_and_a_zone_that_exist() {
    check(
        &GOOD.replace(", zone = \"UTC\"", ""),
        &expect![
            "the mapping cannot be used: `opened.zone` is missing; times without an offset need one, such as `America/Los_Angeles`, or `UTC`"
        ],
    );
    check(
        &GOOD.replace("UTC", "Pacific"),
        &expect![
            "the mapping cannot be used: there is no time zone `Pacific`; give an IANA name such as `America/Los_Angeles`"
        ],
    );
    check(
        &GOOD.replace("iso8601", "yyyy-mm-dd"),
        &expect![
            "the mapping cannot be used: `opened.format` is `yyyy-mm-dd`; give a strptime format such as `%m/%d/%Y %H:%M`, or `iso8601`, `unix_s`, `unix_ms`"
        ],
    );
}
