//! Which scopes a device may hold, and whether it may bring in others.

use holdfast_domain::identity::DeviceRole;
use holdfast_domain::scope::Scope;

/// Whether an enrolled device in this role may hold, and so read and relay, this scope.
///
/// | scope | hub | node |
/// | --- | --- | --- |
/// | the org | yes | yes |
/// | a mission | yes | yes |
///
/// Every member of the org holds every mission today. Clearance labels and mission membership are to be asked here and
/// nowhere else.
pub fn may_hold(role: DeviceRole, scope: Scope) -> bool {
    match (role, scope) {
        (DeviceRole::Hub | DeviceRole::Node, Scope::Org | Scope::Mission(_)) => true,
    }
}

/// Whether a device in this role may invite devices and sign their enrolment.
///
/// | role | may enrol |
/// | --- | --- |
/// | hub | yes, it holds the org's authority |
/// | node | no |
pub fn may_enrol(role: DeviceRole) -> bool {
    match role {
        DeviceRole::Hub => true,
        DeviceRole::Node => false,
    }
}
