//! Fear: a body of the API changes its shape unseen. Each has its JSON Schema (2020-12) checked in at `schemas/json`.
//!
//! `UPDATE_EXPECT=1 cargo test -p holdfast-domain` writes them anew; the difference then shows in review.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use holdfast_domain::alert::{Alert, AlertAck, AlertCancel, AlertDetail, AlertNew, Response, Severity};
use holdfast_domain::api::{
    DoctorReport, ImportReport, Invitation, InvitationNew, Item, LiveEvent, NodeStatus, Outcomes, PeerStatus, Problem,
};
use holdfast_domain::blob::{Attachment, AttachmentShown};
use holdfast_domain::conflict::Conflict;
use holdfast_domain::edit::{Outcome, Resolution};
use holdfast_domain::holders::{Holders, ScopeHolder};
use holdfast_domain::identity::{Credential, DeviceCredential};
use holdfast_domain::incident::{Incident, IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::message::{Message, MessageNew};
use holdfast_domain::mission::{Mission, MissionChange, MissionNew, MissionStatus};
use holdfast_domain::parcel::{ParcelContents, ParcelImported, ParcelNew};
use holdfast_domain::power::PowerState;
use holdfast_domain::scope::StreamKind;
use holdfast_domain::task::{Task, TaskChange, TaskNew, TaskStatus};
use holdfast_domain::track::{Fix, TrackNew, UnitPosition};
use holdfast_domain::unit::{Unit, UnitChange, UnitNew, UnitStatus};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../json")
}

type Definitions = Vec<(String, RefOr<Schema>)>;

/// The schema of one type as a document of its own, with all it refers to under `$defs`.
fn document<T: ToSchema>() -> Value {
    document_with::<T>(Vec::new())
}

/// A type by its name, with all it refers to: generic bodies refer to their records without bringing them along.
fn definition<T: ToSchema>() -> Definitions {
    let mut nested = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut nested);
    nested
}

fn document_with<T: ToSchema>(mut nested: Definitions) -> Value {
    T::schemas(&mut nested);
    let definitions: BTreeMap<String, Value> = nested
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema is JSON")))
        .collect();
    let mut body = Map::new();
    body.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    body.insert("title".to_owned(), json!(T::name()));
    let own = serde_json::to_value(T::schema()).expect("a schema is JSON");
    body.extend(own.as_object().expect("a schema is an object").clone());
    if !definitions.is_empty() {
        body.insert("$defs".to_owned(), json!(definitions));
    }
    let mut document = Value::Object(body);
    point_at_definitions(&mut document);
    document
}

/// OpenAPI keeps shared schemas under `#/components/schemas/`, a schema by itself under `#/$defs/`.
fn point_at_definitions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replace("#/components/schemas/", "#/$defs/");
                    }
                    _ => point_at_definitions(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point_at_definitions),
        _ => {}
    }
}

/// Every reference in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                found.insert(target.clone());
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn documents() -> BTreeMap<&'static str, Value> {
    let records = [
        definition::<Mission>(),
        definition::<Incident>(),
        definition::<Task>(),
        definition::<Unit>(),
        definition::<Message>(),
        definition::<UnitPosition>(),
        definition::<Conflict>(),
        definition::<Alert>(),
        definition::<Attachment>(),
    ]
    .concat();
    BTreeMap::from([
        ("attachment", document::<Attachment>()),
        ("attachment_shown", document::<AttachmentShown>()),
        ("mission", document::<Mission>()),
        ("mission_new", document::<MissionNew>()),
        ("mission_change", document::<MissionChange>()),
        ("incident", document::<Incident>()),
        ("incident_new", document::<IncidentNew>()),
        ("incident_change", document::<IncidentChange>()),
        ("task", document::<Task>()),
        ("task_new", document::<TaskNew>()),
        ("task_change", document::<TaskChange>()),
        ("unit", document::<Unit>()),
        ("unit_new", document::<UnitNew>()),
        ("unit_change", document::<UnitChange>()),
        ("message", document::<Message>()),
        ("message_new", document::<MessageNew>()),
        ("alert", document::<Alert>()),
        ("alert_new", document::<AlertNew>()),
        ("alert_ack", document::<AlertAck>()),
        ("alert_cancel", document::<AlertCancel>()),
        ("alert_detail", document_with::<AlertDetail>(definition::<Alert>())),
        ("holders", document::<Holders>()),
        ("scope_holder", document::<ScopeHolder>()),
        ("fix", document::<Fix>()),
        ("unit_position", document::<UnitPosition>()),
        ("track_new", document::<TrackNew>()),
        ("conflict", document::<Conflict>()),
        ("resolution", document::<Resolution>()),
        ("outcome", document::<Outcome>()),
        ("outcomes", document::<Outcomes>()),
        ("problem", document::<Problem>()),
        ("node_status", document::<NodeStatus>()),
        ("peer_status", document::<PeerStatus>()),
        ("import_report", document::<ImportReport>()),
        ("parcel_new", document::<ParcelNew>()),
        ("parcel_contents", document::<ParcelContents>()),
        ("parcel_imported", document::<ParcelImported>()),
        ("invitation", document::<Invitation>()),
        ("invitation_new", document::<InvitationNew>()),
        ("doctor_report", document::<DoctorReport>()),
        ("live_event", document_with::<LiveEvent>(records)),
        ("incident_item", document_with::<Item<Incident>>(definition::<Incident>())),
        ("device_credential", document::<DeviceCredential>()),
        ("credential", document::<Credential>()),
    ])
}

#[test]
fn every_body_has_the_schema_that_is_checked_in() {
    for (name, document) in documents() {
        let text = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
        expect_test::expect_file![folder().join(format!("{name}.schema.json"))].assert_eq(&text);
    }
}

#[test]
fn states_read_in_the_schema_as_they_are_written() {
    fn check<T: ToSchema + serde::Serialize>(all: &[T]) {
        let written: Vec<Value> = all.iter().map(|state| serde_json::to_value(state).expect("JSON")).collect();
        assert_eq!(document::<T>()["enum"], json!(written), "{}", T::name());
    }
    check(MissionStatus::ALL);
    check(IncidentStatus::ALL);
    check(TaskStatus::ALL);
    check(UnitStatus::ALL);
    check(&StreamKind::ALL);
    check(PowerState::ALL);
    check(Severity::ALL);
    check(Response::ALL);
}

#[test]
fn no_schema_is_left_over() {
    let known: BTreeSet<String> = documents().keys().map(|name| format!("{name}.schema.json")).collect();
    for file in std::fs::read_dir(folder()).expect("schemas/json is there") {
        let name = file.expect("a file").file_name().to_string_lossy().into_owned();
        assert!(known.contains(&name), "schemas/json/{name} belongs to no body; delete it");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    for (name, document) in documents() {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for target in found {
            let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{name}: {target} leads outside"));
            assert!(document.pointer(pointer).is_some(), "{name}: {target} leads nowhere");
        }
    }
}

#[test]
fn every_field_says_what_it_is() {
    for (name, document) in documents() {
        let own = [("", &document)].into_iter();
        let nested = document["$defs"].as_object().into_iter().flatten().map(|(key, schema)| (key.as_str(), schema));
        for (key, schema) in own.chain(nested) {
            for (field, about) in schema["properties"].as_object().into_iter().flatten() {
                // A field that may be null has its description beside the reference.
                let told = about.to_string().contains("\"description\"");
                assert!(told, "{name} {key}: `{field}` has no description");
            }
        }
    }
}
