//! Blobs as the driver sees them: what goes in, what comes out. The protocol moves parts; whether a part is true, and
//! where it lies, is the store's to say.

use holdfast_domain::blob::BlobKey;
use holdfast_domain::clock::Now;
use holdfast_domain::frame::LinkId;
use holdfast_domain::identity::DeviceId;
use holdfast_domain::ranges::Ranges;

use crate::protocol::{Effect, Protocol};

/// What comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobInput {
    /// A blob is to be fetched from whoever has it. Said again after a start; nothing of it is remembered.
    Wanted {
        /// Which.
        blob: BlobKey,
        /// Its groups that are here.
        held: Ranges,
    },
    /// A blob is not to be fetched any more.
    Unwanted {
        /// Which.
        blob: BlobKey,
    },
    /// What is here of a blob changed otherwise than by [`BlobEffect::TakePart`].
    Held {
        /// Which.
        blob: BlobKey,
        /// Its groups that are here.
        held: Ranges,
    },
    /// Whether blobs are fetched, and whether they are sent to those who ask.
    Traffic {
        /// Fetched.
        fetches: bool,
        /// Sent.
        serves: bool,
    },
    /// Answers [`BlobEffect::Look`].
    Looked {
        /// The connection.
        link: LinkId,
        /// The blob.
        blob: BlobKey,
        /// Its groups that are here, verified and durable.
        held: Ranges,
    },
    /// Answers [`BlobEffect::LoadPart`].
    PartLoaded {
        /// The connection.
        link: LinkId,
        /// The blob.
        blob: BlobKey,
        /// The groups and their hashes; `None` if they cannot be read.
        slice: Option<Vec<u8>>,
    },
    /// Answers [`BlobEffect::TakePart`].
    PartTaken {
        /// The connection.
        link: LinkId,
        /// Number of the part.
        id: u32,
        /// The blob.
        blob: BlobKey,
        /// The groups of the part.
        groups: Ranges,
        /// All groups of the blob that are here now, or why the part was not taken.
        taken: Result<Ranges, PartRefused>,
    },
}

/// Why a part of a blob was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartRefused {
    /// Its bytes do not lead to the blob's name.
    Forged,
    /// There is no room for it.
    NoRoom,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobEffect {
    /// Tell what is here of a blob that a peer asks for; answer with [`BlobInput::Looked`].
    Look {
        /// The connection.
        link: LinkId,
        /// The blob.
        blob: BlobKey,
    },
    /// Read groups of a blob with the hashes that prove them; answer with [`BlobInput::PartLoaded`].
    LoadPart {
        /// The connection.
        link: LinkId,
        /// The blob.
        blob: BlobKey,
        /// The first group.
        first: u32,
        /// How many groups.
        count: u32,
    },
    /// Verify a part of a blob and take it into the commit under way; answer with [`BlobInput::PartTaken`].
    TakePart {
        /// The connection.
        link: LinkId,
        /// Number of the part.
        id: u32,
        /// The blob.
        blob: BlobKey,
        /// The first group.
        first: u32,
        /// How many groups.
        count: u32,
        /// The groups and their hashes.
        slice: Vec<u8>,
    },
    /// A device said how much it holds of a blob.
    Holder {
        /// The device.
        device: DeviceId,
        /// The blob.
        blob: BlobKey,
        /// Whether that is all of it.
        whole: bool,
    },
}

impl Protocol {
    pub(crate) fn blob(&mut self, now: Now, input: BlobInput, out: &mut Vec<Effect>) {
        match input {
            BlobInput::Wanted { blob, held } => self.blob_wanted(blob, held),
            BlobInput::Unwanted { blob } => self.blob_unwanted(blob, out),
            BlobInput::Held { blob, held } => self.blob_held(blob, held, out),
            BlobInput::Traffic { fetches, serves } => self.blob_traffic(fetches, serves, out),
            BlobInput::Looked { link, blob, held } => self.blob_looked(link, blob, &held, out),
            BlobInput::PartLoaded { link, blob, slice } => self.part_loaded(link, blob, slice, out),
            BlobInput::PartTaken { link, id, blob, groups, taken } => {
                self.part_taken(now.mono_us, link, (id, blob, groups), taken, out);
            }
        }
    }
}
