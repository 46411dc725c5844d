//! Settings that are wrong are named by file and line, with what would be right.

use std::path::Path;

use super::*;

fn fault(text: &str) -> String {
    Config::parse(Path::new("holdfast.toml"), text).expect_err("it is wrong").to_string()
}

#[test]
fn an_empty_file_is_the_defaults_and_they_can_stand() {
    let config = Config::parse(Path::new("holdfast.toml"), "").expect("empty is fine");
    assert_eq!(config, Config::default());
    config.check().expect("the defaults can stand");
    assert!(!config.is_remote());
}

#[test]
fn an_unknown_field_is_named_with_its_line_and_the_fields_there_are() {
    let fault = fault("log_format = \"json\"\nhtp_listen = \"127.0.0.1:1\"\n");
    assert!(fault.starts_with("holdfast.toml, line 2: "), "{fault}");
    assert!(fault.contains("htp_listen") && fault.contains("http_listen"), "{fault}");
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    let fault = fault("[sync]\npeer_listen = \"everywhere\"\n");
    assert!(fault.starts_with("holdfast.toml, line 2: peer_listen"), "{fault}");
    assert!(fault.contains("0.0.0.0:7400"), "{fault}");
}

#[test]
fn every_field_has_a_word_on_what_it_takes() {
    let text = toml::to_string(&Config::default()).expect("the defaults encode");
    for line in text.lines() {
        let Some((field, _)) = line.split_once('=') else { continue };
        assert!(ALLOWED.iter().any(|(name, _)| *name == field.trim()), "{field} has no word in ALLOWED");
    }
}

#[test]
fn the_api_is_not_opened_to_other_machines_by_an_address_alone() {
    let mut config = Config { http_listen: SocketAddr::from(([0, 0, 0, 0], 7480)), ..Config::default() };
    let fault = config.check().expect_err("it must be asked for").to_string();
    assert!(fault.contains("http_remote"), "{fault}");
    config.http_remote = true;
    config.check().expect("asked for");
}

#[test]
fn a_web_page_cannot_reach_the_api_under_a_name_of_its_own() {
    let names = ["node.example".to_owned()];
    for host in ["localhost", "127.0.0.1", "[::1]", "192.0.2.7", "Node.Example"] {
        assert!(host_is_ours(host, &names), "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example"] {
        assert!(!host_is_ours(host, &names), "{host}");
    }
}

#[test]
fn flags_win_over_the_file() {
    let text = "http_listen = \"127.0.0.1:1\"\n[sync]\nmdns = true\n";
    let mut config = Config::parse(Path::new("holdfast.toml"), text).expect("it is right");
    let flags = Overrides { http_listen: Some(SocketAddr::from(([127, 0, 0, 1], 2))), ..Overrides::default() };
    flags.over(&mut config);
    assert_eq!(config.http_listen.port(), 2);
    assert!(config.sync.mdns);
}
