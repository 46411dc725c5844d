//! The rules as whole tables: every role, kind and scope, so that no combination is decided by accident.

use expect_test::expect;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::DeviceRole;
use holdfast_domain::scope::{Scope, StreamKind};

use crate::authorship::may_author;
use crate::membership::{may_enrol, may_hold};

const ROLES: [DeviceRole; 2] = [DeviceRole::Hub, DeviceRole::Node];

fn scopes() -> [(&'static str, Scope); 2] {
    [("org", Scope::Org), ("mission", Scope::Mission(MissionId::from_bytes([7; 16])))]
}

#[test]
fn a_node_cannot_vouch_for_devices_and_nothing_strays_out_of_its_scope() {
    let mut table = Vec::new();
    for kind in StreamKind::ALL {
        for (name, scope) in scopes() {
            let cell = |role| if may_author(role, kind, scope).is_ok() { "yes" } else { "no" };
            let [hub, node] = ROLES.map(cell);
            table.push(format!("{:<16} {name:<8} hub {hub:<4} node {node}\n", kind.as_str()));
        }
    }
    expect![[r"
        board            org      hub no   node no
        board            mission  hub yes  node yes
        roster           org      hub no   node no
        roster           mission  hub yes  node yes
        control          org      hub yes  node no
        control          mission  hub no   node no
        message          org      hub no   node no
        message          mission  hub yes  node yes
        track            org      hub no   node no
        track            mission  hub yes  node yes
        latest           org      hub yes  node yes
        latest           mission  hub yes  node yes
        alert            org      hub yes  node yes
        alert            mission  hub yes  node yes
        blob             org      hub no   node no
        blob             mission  hub yes  node yes
        holds            org      hub yes  node yes
        holds            mission  hub yes  node yes
        track_sampled    org      hub no   node no
        track_sampled    mission  hub yes  node no
        track_simplified org      hub no   node no
        track_simplified mission  hub yes  node no
    "]]
    .assert_eq(&table.concat());
}

#[test]
fn a_denial_says_what_would_be_allowed() {
    let mission = Scope::Mission(MissionId::from_bytes([7; 16]));
    let say = |role, kind, scope| may_author(role, kind, scope).expect_err("denied").to_string();
    expect!["a device in the role `node` may not write `control`; only a hub may"].assert_eq(&say(
        DeviceRole::Node,
        StreamKind::Control,
        Scope::Org,
    ));
    expect!["there is no `control` in scope 07070707-0707-0707-0707-070707070707; it belongs to the org"]
        .assert_eq(&say(DeviceRole::Hub, StreamKind::Control, mission));
    expect!["there is no `message` in scope org; it belongs to a mission"].assert_eq(&say(
        DeviceRole::Node,
        StreamKind::Message,
        Scope::Org,
    ));
}

#[test]
fn members_hold_every_scope() {
    for role in ROLES {
        for (name, scope) in scopes() {
            assert!(may_hold(role, scope), "{role:?} {name}");
        }
    }
}

#[test]
fn only_a_hub_enrols() {
    assert_eq!(ROLES.map(may_enrol), [true, false]);
}
