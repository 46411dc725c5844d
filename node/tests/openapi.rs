//! Fear: the API changes and nobody who builds on it is told. `UPDATE_EXPECT=1` writes the description anew.

use std::path::Path;

use holdfast_node::http::routes;

#[test]
fn the_description_is_the_one_checked_in() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi.json");
    let description = routes().into_openapi().to_pretty_json().expect("a description encodes") + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&place, &description).expect("the description is written");
    }
    let golden = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(golden == description, "schemas/openapi.json differs from the routes; look at it with UPDATE_EXPECT=1");
}

#[test]
fn every_operation_says_what_it_is_for_and_how_it_fails() {
    let description = routes().into_openapi();
    let value = serde_json::to_value(&description).expect("a description encodes");
    let mut operations = 0;
    for (path, methods) in value["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            operations += 1;
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path} has no summary"
            );
            let answers = operation["responses"].as_object().expect("answers");
            assert!(answers.keys().any(|status| status.starts_with('4') || status.starts_with('5')), "{method} {path}");
        }
    }
    assert!(operations > 35, "{operations} operations");
}
