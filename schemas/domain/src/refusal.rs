//! Why an edit is not taken. A refused edit changed nothing.

use crate::record::RecordId;

/// The reason, with what the person can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such record here.
    #[error("there is no {kind} {id} on this node; list what there is, or wait until it has synced")]
    NotFound {
        /// `mission`, `incident`, …
        kind: &'static str,
        /// The id asked for.
        id: String,
    },
    /// A field whose value cannot stand.
    #[error("{field} {fault}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// A state that cannot follow the present one.
    #[error("a {kind} that is {from} cannot become {to}; it can become: {allowed}")]
    IllegalStep {
        /// `incident`, `task`, …
        kind: &'static str,
        /// The present state.
        from: &'static str,
        /// The state asked for.
        to: &'static str,
        /// States that may follow, comma-separated.
        allowed: String,
    },
    /// The record is deleted.
    #[error("the {kind} {} is deleted; restore it first", .id)]
    Deleted {
        /// `incident`, `task`, …
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The mission is closed.
    #[error("mission {id} is closed; reopen it first")]
    MissionClosed {
        /// The mission.
        id: String,
    },
    /// Somebody changed the record since the caller read it (`If-Match`).
    #[error(
        "{record} has changed since you read it (you: {expected}, now: {actual}); read it again and repeat your edit"
    )]
    Stale {
        /// The record.
        record: RecordId,
        /// Revision the caller saw.
        expected: u64,
        /// Revision now.
        actual: u64,
    },
    /// The same idempotency key came with another request.
    #[error("this Idempotency-Key was used for another request; use a fresh key for a fresh request")]
    KeyReused,
    /// More edits in one gesture than allowed.
    #[error("{given} edits in one request; at most {max} are allowed, split them")]
    TooMany {
        /// How many came.
        given: usize,
        /// How many may.
        max: usize,
    },
    /// No rival values there to choose from.
    #[error("{record} has no open conflict in `{field}`; somebody may have settled it already")]
    NoConflict {
        /// The record.
        record: RecordId,
        /// The field.
        field: String,
    },
    /// The node's own history turned up elsewhere: it was cloned or restored. A fresh epoch begins; try again.
    #[error("this device is starting a fresh epoch; repeat the request")]
    EpochChanging,
    /// It is somebody else's to do.
    #[error("{what}")]
    MayNot {
        /// Who may, and what to do.
        what: &'static str,
    },
    /// The node could not write to its disk. Nothing was changed.
    #[error("the change could not be saved and was not made: {fault}")]
    NotSaved {
        /// What the disk or database said.
        fault: String,
    },
    /// There is no room for the file. Nothing was changed.
    #[error("there is no room for the file: {fault}")]
    NoRoom {
        /// What is full, and what to do.
        fault: String,
    },
}
