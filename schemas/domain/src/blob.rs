//! Blobs: contents of files, named by their hash, and attachments, which tell what a blob is to a mission.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::byte_id;
use crate::clock::Hlc;
use crate::field::{check_line, check_name};
use crate::id::MissionId;
use crate::identity::AuthorId;
use crate::limits::{BLOB_BYTES_MAX, BLOB_GROUP_BYTES, BLOB_SMALL_BYTES_MAX};
use crate::record::RecordId;
use crate::refusal::Refusal;
use crate::scope::Class;

byte_id! {
    /// A blob: the BLAKE3 hash of its bytes.
    BlobId, 32
}

/// A blob with the length that somebody says it has. A wrong length names another blob, which nobody holds whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobKey {
    /// Its hash.
    pub id: BlobId,
    /// Its length.
    pub bytes: u64,
}

impl BlobKey {
    /// Whether a blob may have this length.
    pub fn is_sound(&self) -> bool {
        (1..=BLOB_BYTES_MAX).contains(&self.bytes)
    }

    /// How many groups of [`BLOB_GROUP_BYTES`] it has; each can be verified by itself.
    pub fn groups(&self) -> u32 {
        u32::try_from(self.bytes.div_ceil(BLOB_GROUP_BYTES)).unwrap_or(u32::MAX)
    }

    /// The bytes of so many of its groups, at most.
    pub fn bytes_of(&self, groups: u32) -> u64 {
        (u64::from(groups) * BLOB_GROUP_BYTES).min(self.bytes)
    }

    /// The class in which it travels: what is small goes with thumbnails.
    pub fn class(&self) -> Class {
        if self.bytes <= BLOB_SMALL_BYTES_MAX { Class::P3 } else { Class::P5 }
    }
}

/// A small picture of an attachment, a blob of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Thumbnail {
    /// Its hash.
    pub id: BlobId,
    /// Its length, bytes.
    pub bytes: u64,
}

impl Thumbnail {
    /// The blob that it is.
    pub fn key(&self) -> BlobKey {
        BlobKey { id: self.id, bytes: self.bytes }
    }
}

/// A file that belongs to a mission. The same bytes belong to it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attachment {
    /// BLAKE3 of its bytes.
    pub id: BlobId,
    /// The mission it belongs to.
    pub mission: MissionId,
    /// Its length, bytes.
    pub bytes: u64,
    /// What it is, such as `image/jpeg`, as its sender says.
    pub media_type: String,
    /// Its file name, as its sender says.
    pub name: String,
    /// The record it is attached to; the mission as a whole if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_to: Option<RecordId>,
    /// A small picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
    /// Name of the sender's device.
    pub from: String,
    /// The author that signed it.
    pub author: AuthorId,
    /// When it was added, hybrid time.
    pub written: Hlc,
    /// When it was removed, hybrid time; its bytes are dropped by every node that hears of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Hlc>,
}

impl Attachment {
    /// The blob that it is.
    pub fn key(&self) -> BlobKey {
        BlobKey { id: self.id, bytes: self.bytes }
    }
}

/// What is said of a file that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentNew {
    /// The mission it is to belong to.
    pub mission: MissionId,
    /// What it is, such as `image/jpeg`.
    pub media_type: String,
    /// Its file name.
    pub name: String,
    /// The record it is attached to.
    pub attached_to: Option<RecordId>,
}

impl AttachmentNew {
    /// Whether the words can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("media_type", &self.media_type)?;
        if self.name.trim().is_empty() {
            return Err(Refusal::Invalid { field: "name", fault: "is empty; give the name of the file".to_owned() });
        }
        check_line("name", &self.name)
    }
}

/// How much of a blob is on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlobState {
    /// All of it.
    Here,
    /// Some of it; the rest is being fetched, or waits for a peer that has it.
    Partial,
    /// Nothing, or it was let go of to make room.
    Elsewhere,
}

/// An attachment as this node shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachmentShown {
    /// Revision on this node.
    pub rev: u64,
    /// The attachment.
    #[serde(flatten)]
    pub record: Attachment,
    /// How much of it is on this node.
    pub state: BlobState,
    /// Groups of 16 KiB that are here, verified.
    pub groups_here: u32,
    /// Groups it has.
    pub groups: u32,
    /// Whether its small picture is here.
    pub thumbnail_here: bool,
    /// Other devices known to hold all of it.
    pub holders: u32,
}

/// Which full attachments a node fetches by itself; what is asked for by name is fetched in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlobPolicy {
    /// All, as far as there is room.
    #[default]
    All,
    /// Only the small pictures.
    Thumbnails,
    /// Nothing.
    None,
}

impl BlobPolicy {
    /// The word used in settings and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Thumbnails => "thumbnails",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for BlobPolicy {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "all" => Ok(Self::All),
            "thumbnails" => Ok(Self::Thumbnails),
            "none" => Ok(Self::None),
            other => Err(format!("`{other}` is no blob policy; choose all, thumbnails or none")),
        }
    }
}

/// The blobs of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct BlobsStatus {
    /// What it fetches by itself.
    pub policy: BlobPolicy,
    /// Blobs that are here whole, small pictures among them.
    pub whole: u64,
    /// Blobs of which a part is here.
    pub partial: u64,
    /// Blobs that it is fetching, or would if a peer had them.
    pub wanted: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes that they may take.
    pub quota_bytes: u64,
    /// Free bytes of the disk below which nothing is fetched or taken.
    pub free_bytes_min: u64,
    /// Free bytes of the disk; absent if nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Blobs let go of since the start to make room.
    pub evicted: u64,
    /// Why nothing more is taken, and what to do; absent while there is room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
}
