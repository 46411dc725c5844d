//! Messages of the timeline.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Hlc;
use crate::field::check_text;
use crate::id::{IncidentId, MessageId, MissionId, UnitId};
use crate::identity::AuthorId;
use crate::refusal::Refusal;

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Everybody in the mission.
    Mission,
    /// Those who work on an incident.
    Incident(IncidentId),
    /// One unit.
    Unit(UnitId),
}

/// A message. It is never edited; its place in the timeline is its hybrid time, then its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The mission it belongs to.
    pub mission: MissionId,
    /// To whom it goes.
    pub channel: Channel,
    /// Name of the sender as its device gave it.
    pub from: String,
    /// The author that signed it.
    pub author: AuthorId,
    /// When it was sent, hybrid time.
    pub sent: Hlc,
    /// What it says.
    pub text: String,
}

/// What is needed to send a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageNew {
    /// An id of the caller's choice (UUIDv7), which makes the request safe to repeat.
    #[serde(default)]
    pub id: Option<MessageId>,
    /// To whom it goes; everybody in the mission if absent.
    #[serde(default = "everybody")]
    pub channel: Channel,
    /// What it says.
    pub text: String,
}

fn everybody() -> Channel {
    Channel::Mission
}

impl MessageNew {
    /// Whether the text can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.text.trim().is_empty() {
            return Err(Refusal::Invalid { field: "text", fault: "is empty".to_owned() });
        }
        check_text("text", &self.text)
    }
}
