//! A record of any kind, and what changed about records: the rows that views keep and listeners hear of.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::{Alert, AlertWord};
use crate::blob::{Attachment, BlobId};
use crate::clock::Hlc;
use crate::conflict::Conflict;
use crate::id::{AlertId, IncidentId, MessageId, MissionId, TaskId, UnitId};
use crate::identity::DeviceCredential;
use crate::incident::Incident;
use crate::message::Message;
use crate::mission::Mission;
use crate::task::Task;
use crate::track::{Fix, UnitPosition};
use crate::unit::Unit;

/// Defines a status enum with its words and allowed steps.
macro_rules! states {
    (
        $(#[$doc:meta])* $name:ident $kind:literal {
            // A token, not a literal: only so do the derives read the word that serde and utoipa are to write.
            $($(#[$vdoc:meta])* $variant:ident = $word:tt => [$($next:ident),*],)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every state, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in commands, documents and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The state with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            /// The states that may follow.
            pub fn next(self) -> &'static [Self] {
                match self { $(Self::$variant => &[$(Self::$next),*],)* }
            }

            /// Checks one step; staying is always allowed.
            pub fn step(self, to: Self) -> Result<(), $crate::refusal::Refusal> {
                if self == to || self.next().contains(&to) {
                    return Ok(());
                }
                Err($crate::refusal::Refusal::IllegalStep {
                    kind: $kind,
                    from: self.as_str(),
                    to: to.as_str(),
                    allowed: self.next().iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                Self::from_word(word).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|state| state.as_str()).collect();
                    format!("`{word}` is no {} status; it is one of: {}", $kind, words.join(", "))
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use states;

/// Names a record that can be edited or asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum RecordId {
    /// A mission.
    Mission(MissionId),
    /// An incident.
    Incident(IncidentId),
    /// A task.
    Task(TaskId),
    /// A unit.
    Unit(UnitId),
    /// A message.
    Message(MessageId),
    /// An alert.
    Alert(AlertId),
}

impl RecordId {
    /// The word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mission(_) => "mission",
            Self::Incident(_) => "incident",
            Self::Task(_) => "task",
            Self::Unit(_) => "unit",
            Self::Message(_) => "message",
            Self::Alert(_) => "alert",
        }
    }

    /// The sixteen bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Mission(id) => id.as_bytes(),
            Self::Incident(id) => id.as_bytes(),
            Self::Task(id) => id.as_bytes(),
            Self::Unit(id) => id.as_bytes(),
            Self::Message(id) => id.as_bytes(),
            Self::Alert(id) => id.as_bytes(),
        }
    }

    /// The record id of this kind (the word of [`RecordId::kind`]) with these bytes.
    pub fn from_parts(kind: &str, bytes: [u8; 16]) -> Option<Self> {
        Some(match kind {
            "mission" => Self::Mission(MissionId::from_bytes(bytes)),
            "incident" => Self::Incident(IncidentId::from_bytes(bytes)),
            "task" => Self::Task(TaskId::from_bytes(bytes)),
            "unit" => Self::Unit(UnitId::from_bytes(bytes)),
            "message" => Self::Message(MessageId::from_bytes(bytes)),
            "alert" => Self::Alert(AlertId::from_bytes(bytes)),
            _ => return None,
        })
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mission(id) => write!(f, "mission {id}"),
            Self::Incident(id) => write!(f, "incident {id}"),
            Self::Task(id) => write!(f, "task {id}"),
            Self::Unit(id) => write!(f, "unit {id}"),
            Self::Message(id) => write!(f, "message {id}"),
            Self::Alert(id) => write!(f, "alert {id}"),
        }
    }
}

/// A change to the views, in terms of whole rows. Applying it twice changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Patch {
    /// The mission now reads so.
    Mission(Mission),
    /// The incident now reads so.
    Incident(Incident),
    /// The task now reads so.
    Task(Task),
    /// The unit now reads so.
    Unit(Unit),
    /// This message is in the timeline.
    Message(Message),
    /// The unit's newest position, as far as this report goes; the store keeps the newer of two.
    Position(UnitPosition),
    /// Fixes of a unit's track.
    Fixes {
        /// The mission.
        mission: MissionId,
        /// The unit.
        unit: UnitId,
        /// The fixes.
        fixes: Vec<Fix>,
    },
    /// The record's open conflicts are now exactly these (none: all settled).
    Conflicts {
        /// The mission.
        mission: MissionId,
        /// The record.
        record: RecordId,
        /// Its open conflicts.
        conflicts: Vec<Conflict>,
    },
    /// The org has enrolled this device.
    Device(DeviceCredential),
    /// This alert was raised; what was said to it comes by itself.
    Alert(Alert),
    /// An alert was acknowledged, known here or not.
    AlertAcknowledged(AlertWord),
    /// An alert was called off by somebody who may or may not.
    AlertCancelled(AlertWord),
    /// The attachment, as far as this report goes; the store keeps the newer of two.
    Attachment(Attachment),
    /// The attachment was removed.
    AttachmentRemoved {
        /// The mission.
        mission: MissionId,
        /// Which.
        id: BlobId,
        /// When, hybrid time.
        written: Hlc,
    },
}
