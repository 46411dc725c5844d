//! Fear: a program is taken back a version and up again, and an order to leave is on disk but on no screen.

use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::alert::{AlertAck, AlertNew, Response, Severity};
use holdfast_domain::clock::Now;
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::Signature;
use holdfast_domain::identity::{DeviceCredential, DeviceRole, OrgId, PublicKey};
use holdfast_domain::query::{AlertFilter, PageRequest};
use holdfast_domain::record::RecordId;
use holdfast_driver::blobs::BlobConfig;
use holdfast_driver::effect::{Effect, Reply};
use holdfast_driver::engine::{Engine, EngineConfig};
use holdfast_driver::event::{Command, EditOptions, Event, Ticket};
use holdfast_driver::retention::Retention;
use holdfast_store::schema::downgrade;
use holdfast_store::store::Store;

const NOW: Now = Now { mono_us: 1, wall_ms: 1_700_000_000_000 };

/// The newest version of the database without alerts.
const BEFORE_ALERTS: u32 = 4;

fn open(path: &std::path::Path) -> Engine {
    let (authority, key) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let authority_key = PublicKey(authority.verifying_key().to_bytes());
    let mut device = DeviceCredential {
        org: OrgId::of(&authority_key),
        key: PublicKey(key.verifying_key().to_bytes()),
        name: "engine-7".to_owned(),
        role: DeviceRole::Node,
        issued_ms: NOW.wall_ms,
        signature: Signature([0; 64]),
    };
    device.signature = Signature(authority.sign(&device.signed_text()).to_bytes());
    let config = EngineConfig {
        key,
        device,
        authority_key,
        authority: None,
        seed: [3; 32],
        floor_ms: 0,
        retention: Retention::default(),
        blobs: BlobConfig::default(),
    };
    Engine::open(Store::open(path).expect("a store"), config, NOW).expect("an engine")
}

fn edit(engine: &mut Engine, edit: Edit) -> RecordId {
    let command = Command::Edit { edits: vec![edit], options: EditOptions::default() };
    let effects = engine.step(NOW, vec![Event::Command(Ticket(1), command)]);
    let reply = effects.into_iter().find_map(|effect| match effect {
        Effect::Reply(_, Reply::Edited(Ok(outcomes))) => outcomes.into_iter().next(),
        _ => None,
    });
    reply.expect("an answer").expect("it is taken").record
}

#[test]
fn alerts_that_an_earlier_program_could_only_keep_are_shown_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let mut engine = open(&path);
    let new = AlertNew {
        id: None,
        severity: Severity::Extreme,
        response: Response::Evacuate,
        title: "Everybody out".to_owned(),
        text: String::new(),
        area: None,
        expires_ms: None,
    };
    let RecordId::Alert(id) = edit(&mut engine, Edit::AlertRaise(None, new)) else { panic!("an alert is an alert") };
    edit(&mut engine, Edit::AlertAcknowledge(None, id, AlertAck::default()));
    drop(engine);
    downgrade(&path, BEFORE_ALERTS).expect("the way back is promised");
    for _ in 0..2 {
        let engine = open(&path);
        let views = engine.store().reader().expect("a reader");
        let open = AlertFilter { open_at_ms: Some(NOW.wall_ms) };
        let page = views.alert_list(None, open, &PageRequest::default()).expect("alerts");
        assert_eq!((page.total, page.items[0].record.acknowledged), (1, 1));
    }
}
