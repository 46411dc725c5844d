//! Which entries a device may author.

use holdfast_domain::identity::DeviceRole;
use holdfast_domain::scope::{Scope, StreamKind};

/// Why an entry may not stand. Nothing was changed by asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role may not write streams of this kind anywhere.
    #[error("a device in the role `{}` may not write `{}`; only a hub may", .role.as_str(), .kind.as_str())]
    Role {
        /// The author's role.
        role: DeviceRole,
        /// The kind of stream.
        kind: StreamKind,
    },
    /// Streams of this kind do not exist in this scope, whoever writes.
    #[error("there is no `{}` in scope {scope}; {}", .kind.as_str(), place(*.kind))]
    Place {
        /// The kind of stream.
        kind: StreamKind,
        /// The scope in which it was written.
        scope: Scope,
    },
}

/// Whether a device in this role may author entries of this kind in this scope.
///
/// | kind | where it lives | who may write it |
/// | --- | --- | --- |
/// | `control` | the org | hub |
/// | `board`, `roster` | missions | hub, node |
/// | `message`, `track` | missions | hub, node |
/// | `latest` | the org, missions | hub, node |
/// | `alert`, `holds` | the org, missions | hub, node |
/// | `blob` | missions | hub, node |
/// | `track_sampled`, `track_simplified` | missions | hub |
///
/// `control` carries the org's word (enrolments); a node that could write it could vouch for itself. The rest is the
/// work of a mission, which must go on with no hub in reach, so every enrolled device may write it. So may it raise and
/// acknowledge alerts, also for the whole org, and say what it holds. Whose word calls an alert off is no matter of the
/// stream but of the alert: see [`holdfast_domain::alert::may_cancel`].
///
/// # Errors
/// [`Denied::Place`] if the kind has no place in that scope, else [`Denied::Role`] if the role may not write it.
pub fn may_author(role: DeviceRole, kind: StreamKind, scope: Scope) -> Result<(), Denied> {
    let of_the_org = kind == StreamKind::Control;
    let of_both = matches!(kind, StreamKind::Latest | StreamKind::Alert | StreamKind::Holds);
    if !of_both && of_the_org != (scope == Scope::Org) {
        return Err(Denied::Place { kind, scope });
    }
    // What is left of position history replaces what was signed by others: the word of who keeps all of it.
    let of_the_post = of_the_org || matches!(kind, StreamKind::TrackSampled | StreamKind::TrackSimplified);
    if of_the_post && role != DeviceRole::Hub {
        return Err(Denied::Role { role, kind });
    }
    Ok(())
}

fn place(kind: StreamKind) -> &'static str {
    if kind == StreamKind::Control { "it belongs to the org" } else { "it belongs to a mission" }
}
