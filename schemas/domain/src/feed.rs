//! Bodies of feed and register entries, encoded with postcard; each is an enum by version, so a body of a later version
//! is kept and relayed by a node that cannot read it yet.

use serde::{Deserialize, Serialize};

use crate::alert::{AlertArea, Response, Severity};
use crate::blob::{BlobId, Thumbnail};
use crate::clock::Hlc;
use crate::floor::Floor;
use crate::holders::Held;
use crate::id::{AlertId, MessageId, MissionId, UnitId};
use crate::identity::{AuthorId, DeviceCredential};
use crate::message::{Channel, Message};
use crate::record::RecordId;
use crate::track::Fix;

/// A body in a `message` feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageBody {
    /// A message sent.
    V1 {
        /// Its id.
        id: MessageId,
        /// When, hybrid time.
        sent: Hlc,
        /// To whom.
        channel: Channel,
        /// Name of the sender.
        from: String,
        /// What it says.
        text: String,
    },
    /// A message whose sender chose no id: it follows from the rest.
    V2 {
        /// When, hybrid time.
        sent: Hlc,
        /// Its place among the messages that its author sent at that time.
        place: u32,
        /// To whom.
        channel: Channel,
        /// Name of the sender.
        from: String,
        /// What it says.
        text: String,
    },
}

impl MessageBody {
    /// The message that an author's body in a mission's feed is.
    pub fn message(self, mission: MissionId, author: AuthorId) -> Message {
        let (id, sent, channel, from, text) = match self {
            Self::V1 { id, sent, channel, from, text } => (id, sent, channel, from, text),
            Self::V2 { sent, place, channel, from, text } => {
                (MessageId::of_sent(author, sent, place), sent, channel, from, text)
            }
        };
        Message { id, mission, channel, from, author, sent, text }
    }

    /// Its id, and when it was sent.
    pub fn name(&self, author: AuthorId) -> (MessageId, Hlc) {
        match *self {
            Self::V1 { id, sent, .. } => (id, sent),
            Self::V2 { sent, place, .. } => (MessageId::of_sent(author, sent, place), sent),
        }
    }
}

/// A body in a feed of position history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrackBody {
    /// Fixes of one unit.
    V1 {
        /// When it was written, hybrid time.
        written: Hlc,
        /// The unit.
        unit: UnitId,
        /// Where they come from.
        source: String,
        /// The fixes in order of time.
        fixes: Vec<Fix>,
    },
    /// A sealed segment: fixes of one unit in little room.
    V2 {
        /// When it was written, hybrid time.
        written: Hlc,
        /// The unit.
        unit: UnitId,
        /// Where they come from; `live` where they were reported one by one.
        source: String,
        /// The fixes in order of time, as `segment` of the replica lays them out.
        segment: Vec<u8>,
    },
    /// A sealed segment that tells which time it covers, so that nobody opens those of other times.
    V3 {
        /// When it was written, hybrid time.
        written: Hlc,
        /// Whose fixes, and from when to when. One of another time counts as not there.
        span: TrackSpan,
        /// Where they come from; `live` where they were reported one by one, `thinned` where a command post left them.
        source: String,
        /// The fixes in order of time, as `segment` of the replica lays them out.
        segment: Vec<u8>,
    },
}

/// A stretch of a unit's track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrackSpan {
    /// The unit.
    pub unit: UnitId,
    /// The first moment, Unix milliseconds.
    pub first_ms: u64,
    /// The last moment, Unix milliseconds.
    pub last_ms: u64,
}

impl TrackSpan {
    /// As much of a body's beginning as tells its span.
    pub const BEGINNING_BYTES: usize = 64;

    /// The span of fixes in order of time; of none, one in which no moment lies.
    pub fn of(unit: UnitId, fixes: &[Fix]) -> Self {
        let (first_ms, last_ms) = fixes.first().zip(fixes.last()).map_or((1, 0), |(a, b)| (a.at_ms, b.at_ms));
        Self { unit, first_ms, last_ms }
    }

    /// What the beginning of a body of a track feed says; `None` if a body of that version does not.
    pub fn read(beginning: &[u8]) -> Option<Self> {
        // An enum is encoded as the place of its variant and then the fields.
        let ((variant, _, span), _) = postcard::take_from_bytes::<(u32, Hlc, Self)>(beginning).ok()?;
        (variant == 2).then_some(span)
    }

    /// Whether the two share a moment of one unit's track.
    pub fn meets(&self, other: &Self) -> bool {
        self.unit == other.unit && self.first_ms <= other.last_ms && other.first_ms <= self.last_ms
    }
}

/// A body in the `control` feed of the org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlBody {
    /// A device was enrolled.
    EnrolledV1 {
        /// When it was written, hybrid time.
        written: Hlc,
        /// The org's word for the device.
        device: DeviceCredential,
    },
    /// A stream is held so far for good.
    FloorV1 {
        /// When it was written, hybrid time.
        written: Hlc,
        /// How far, and what replaces it.
        floor: Floor,
    },
}

/// A body in an `alert` feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertBody {
    /// An alert was raised.
    RaisedV1 {
        /// Its id.
        id: AlertId,
        /// When, hybrid time.
        raised: Hlc,
        /// How great the threat is.
        severity: Severity,
        /// What to do.
        response: Response,
        /// What it is about, in one line.
        title: String,
        /// More about it.
        text: String,
        /// Where it applies.
        area: Option<AlertArea>,
        /// When it ends by itself, Unix milliseconds.
        expires_ms: Option<u64>,
        /// Name of who raised it.
        from: String,
    },
    /// Somebody heard it. The alert itself may come later than this.
    AcknowledgedV1 {
        /// The alert.
        alert: AlertId,
        /// When, hybrid time.
        at: Hlc,
        /// Name of who heard it.
        from: String,
        /// What is being done about it; may be empty.
        note: String,
    },
    /// It is called off; see [`crate::alert::may_cancel`] for whose word counts.
    CancelledV1 {
        /// The alert.
        alert: AlertId,
        /// When, hybrid time.
        at: Hlc,
        /// Name of who called it off.
        from: String,
        /// Why; may be empty.
        reason: String,
    },
}

/// A value in a `holds` stream: one for each author and scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldsBody {
    /// What the author's device holds durably of the scope, registers aside.
    V1 {
        /// When it was said, hybrid time.
        said: Hlc,
        /// What it holds.
        held: Held,
    },
}

/// A record named in a body: by the word of its kind, so that a kind of a later version harms nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRef {
    /// The word of [`RecordId::kind`].
    pub kind: String,
    /// The bytes of its id.
    pub id: [u8; 16],
}

impl RecordRef {
    /// Names a record.
    pub fn of(record: &RecordId) -> Self {
        Self { kind: record.kind().to_owned(), id: *record.as_bytes() }
    }

    /// The record, if its kind is known here.
    pub fn record(&self) -> Option<RecordId> {
        RecordId::from_parts(&self.kind, self.id)
    }
}

/// A body in a `blob` feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobBody {
    /// A file was attached. Its bytes travel apart, to those who want them.
    V1 {
        /// When, hybrid time.
        written: Hlc,
        /// BLAKE3 of the bytes.
        id: BlobId,
        /// How many there are.
        bytes: u64,
        /// What it is, such as `image/jpeg`.
        media_type: String,
        /// Its file name.
        name: String,
        /// The record it is attached to.
        attached_to: Option<RecordRef>,
        /// A small picture of it.
        thumbnail: Option<Thumbnail>,
        /// Name of the sender's device.
        from: String,
    },
    /// An attachment was removed; nobody keeps its bytes.
    RemovedV1 {
        /// When, hybrid time.
        written: Hlc,
        /// Which.
        id: BlobId,
    },
}

/// A value in a `latest` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegisterBody {
    /// The newest position of a unit.
    PositionV1 {
        /// When it was reported, hybrid time.
        reported: Hlc,
        /// The unit.
        unit: UnitId,
        /// The fix.
        fix: Fix,
    },
    /// Where the author's device is reached, in the org's scope.
    ReachableV1 {
        /// When it was written, hybrid time.
        written: Hlc,
        /// `host:port` each, the likeliest first, at most [`crate::limits::ADDRESSES_MAX`]; none: nowhere.
        addresses: Vec<String>,
    },
}

impl RegisterBody {
    /// The key whose newest value counts: of two entries of one author with one key, the one with the higher number.
    pub fn key(&self) -> RegisterKey {
        match self {
            Self::PositionV1 { unit, .. } => RegisterKey::Position(*unit),
            Self::ReachableV1 { .. } => RegisterKey::Reachable,
        }
    }
}

/// What a register is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegisterKey {
    /// The newest position of a unit.
    Position(UnitId),
    /// Where the device is reached.
    Reachable,
}

/// A body that is none of the versions known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is of no version known here: {0}")]
pub struct BodyError(String);

impl BodyError {
    /// Says what the body is not.
    pub fn new(fault: impl Into<String>) -> Self {
        Self(fault.into())
    }
}

/// Encodes a body.
pub fn encode<T: Serialize>(body: &T) -> Vec<u8> {
    postcard::to_stdvec(body).expect("a body in memory always encodes")
}

/// Decodes a body; bytes left over are an error.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BodyError> {
    match postcard::take_from_bytes(bytes) {
        Ok((body, [])) => Ok(body),
        Ok((_, rest)) => Err(BodyError(format!("{} bytes left over", rest.len()))),
        Err(error) => Err(BodyError(error.to_string())),
    }
}
