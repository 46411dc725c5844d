//! Ids of records: UUIDv7 (RFC 9562), minted from a given time and given randomness, or derived from an outside key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::{Builder, Uuid};

use crate::clock::Hlc;
use crate::identity::AuthorId;

impl MessageId {
    /// The id of a message that was sent without one: sixteen bytes of a body that need not travel.
    pub fn of_sent(author: AuthorId, sent: Hlc, place: u32) -> Self {
        Self::derived(sent.ms(), &[&author.to_string(), &sent.0.to_string(), &place.to_string()])
    }
}

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}")]
pub struct IdError {
    /// The kind of id expected.
    pub kind: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
}

macro_rules! record_id {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id: Unix milliseconds and ten random bytes.
            pub fn mint(at_ms: u64, random: [u8; 10]) -> Self {
                Self(Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid())
            }

            /// The id that every node derives for the same thing of an outside system, so that two imports of one
            /// file on two sides of a partition name the same record. `key` is hashed part by part.
            pub fn derived(at_ms: u64, key: &[&str]) -> Self {
                let mut hasher = blake3::Hasher::new_derive_key(concat!("holdfast derived id v1 ", stringify!($name)));
                for part in key {
                    hasher.update(&(part.len() as u64).to_le_bytes());
                    hasher.update(part.as_bytes());
                }
                let mut random = [0; 10];
                hasher.finalize_xof().fill(&mut random);
                Self::mint(at_ms, random)
            }

            /// The sixteen bytes of the id.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id with these bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError {
                    kind: stringify!($name),
                    text: text.chars().take(80).collect(),
                })
            }
        }
    )*};
}

record_id! {
    /// A mission: what a scope is made for.
    MissionId,
    /// An incident within a mission.
    IncidentId,
    /// A task within a mission.
    TaskId,
    /// A unit of the roster: an engine, a team, a person with a radio.
    UnitId,
    /// A message of the timeline.
    MessageId,
    /// An alert.
    AlertId,
}
