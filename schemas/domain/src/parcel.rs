//! Parcels: entries in a file, as its bytes are laid out and as the API tells of it.
//!
//! A parcel is `magic ‖ version ‖ length of the header (u32, little-endian) ‖ header ‖ signature ‖ body`. Whoever finds it
//! may read the header; the body is a [`ParcelBody`], or the same sealed to recipients (age, `age-encryption.org/v1`).
//! The signature is the exporter's over the header, and the header holds the digest of the body as it lies in the file,
//! so a carrier that may not read the body can still tell whether it is whole. Header and body are postcard.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Hlc;
use crate::entry::{Digest, Signature};
use crate::frame::Pack;
use crate::id::MissionId;
use crate::identity::{AuthorId, Credential, DeviceId, OrgId, PublicKey};
use crate::limits::{PARCEL_BYTES_MAX, PARCEL_HEADER_BYTES_MAX};

/// The first bytes of every parcel.
pub const MAGIC: [u8; 8] = *b"HFPARCEL";
/// The version of the layout. To add one: give it the next number here, read both, and write the older one until every
/// node of an org reads the newer.
pub const VERSION: u8 = 1;

/// What anybody may read of a parcel, sealed or not. It names no mission and no author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelHeader {
    /// The org whose entries these are.
    pub org: OrgId,
    /// Who made the parcel; its key checks the signature.
    pub exporter: Credential,
    /// When it was made, hybrid time.
    pub written: Hlc,
    /// Entries in it.
    pub entries: u64,
    /// Whether the body is sealed.
    pub sealed: bool,
    /// Length of the body as it lies in the file, bytes.
    pub body_bytes: u64,
    /// BLAKE3 of the body as it lies in the file.
    pub body_digest: Digest,
}

/// The entries of a parcel, as peers would send them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParcelBody {
    /// The org's word for every author of the entries.
    pub credentials: Vec<Credential>,
    /// The entries, never bundled; each author's packs of one stream follow each other. Packs name no credentials.
    pub packs: Vec<Pack>,
}

/// A parcel taken apart; its signature and body are not yet proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What anybody may read.
    pub header: ParcelHeader,
    /// The exporter's over [`ParcelHeader::signed_text`].
    pub signature: Signature,
    /// The body as it lies in the file.
    pub body: Vec<u8>,
}

/// Why a parcel is not taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParcelError {
    /// Something else.
    #[error("this is no parcel: it does not begin as one; give a file made by `parcel export`")]
    NotAParcel,
    /// A layout that is not known here.
    #[error("this parcel is of version {found}, and only version {VERSION} can be read here; update this node")]
    UnknownVersion {
        /// The version it names.
        found: u8,
    },
    /// Larger than any parcel may be.
    #[error(
        "{bytes} bytes or more are over what a parcel may have ({PARCEL_BYTES_MAX}); export less at once, such as one mission"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Bytes are missing at its end.
    #[error("this parcel is cut off: {missing} bytes or more are missing at its end; copy it again")]
    Cut {
        /// How many, at least.
        missing: u64,
    },
    /// Bytes follow its end.
    #[error("{bytes} bytes follow the end of this parcel; copy it again")]
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// Made by another org.
    #[error("this parcel is of another org ({org}); only nodes of that org can take it")]
    OtherOrg {
        /// That org.
        org: OrgId,
    },
    /// The maker is no member.
    #[error("the maker of this parcel ({name}) is not vouched for by the org's authority")]
    Stranger {
        /// The name the maker gives itself.
        name: String,
    },
    /// The bytes are not those that were signed.
    #[error("this parcel was altered on its way: {what}; copy it again")]
    Altered {
        /// What does not fit.
        what: &'static str,
    },
    /// Not sealed to this device.
    #[error("this parcel is sealed to other devices; this one may carry it but not read it")]
    SealedToOthers,
    /// Signed, whole, and yet not what a node makes.
    #[error("the maker of this parcel put something into it that no node makes: {fault}")]
    Malformed {
        /// What is wrong.
        fault: String,
    },
}

impl ParcelError {
    fn altered(what: &'static str) -> Self {
        Self::Altered { what }
    }
}

impl ParcelHeader {
    /// The bytes that the exporter signs: a label, then the header.
    pub fn signed_text(&self) -> Vec<u8> {
        let mut text = b"holdfast parcel v1".to_vec();
        text.extend_from_slice(&postcard::to_stdvec(self).expect("a header in memory always encodes"));
        text
    }
}

impl ParcelBody {
    /// The bytes of an unsealed body.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a body in memory always encodes")
    }

    /// The body in `bytes`; nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParcelError> {
        match postcard::take_from_bytes(bytes) {
            Ok((body, [])) => Ok(body),
            Ok((_, rest)) => {
                Err(ParcelError::Malformed { fault: format!("{} bytes follow its last entry", rest.len()) })
            }
            Err(error) => Err(ParcelError::Malformed { fault: format!("its body cannot be read ({error})") }),
        }
    }
}

/// Takes `length` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], ParcelError> {
    let (front, rest) =
        bytes.split_at_checked(length).ok_or_else(|| ParcelError::Cut { missing: (length - bytes.len()) as u64 })?;
    *bytes = rest;
    Ok(front)
}

impl Parcel {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let header = postcard::to_stdvec(&self.header).expect("a header in memory always encodes");
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&self.signature.0);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Takes a file apart, and checks that its body is whole.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, ParcelError> {
        if bytes.len() > PARCEL_BYTES_MAX {
            return Err(ParcelError::TooLarge { bytes: bytes.len() as u64 });
        }
        let start = bytes.len().min(MAGIC.len());
        if bytes.is_empty() || bytes[..start] != MAGIC[..start] {
            return Err(ParcelError::NotAParcel);
        }
        take(&mut bytes, MAGIC.len())?;
        let found = take(&mut bytes, 1)?[0];
        if found != VERSION {
            return Err(ParcelError::UnknownVersion { found });
        }
        let length = take(&mut bytes, 4)?.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        if length > PARCEL_HEADER_BYTES_MAX {
            return Err(ParcelError::altered("its header claims a length that no header has"));
        }
        let given = take(&mut bytes, length)?;
        // One header has one encoding, so that the signature is over every bit of it.
        let header: ParcelHeader = match postcard::take_from_bytes(given) {
            Ok((header, [])) if postcard::to_stdvec(&header).is_ok_and(|again| again == given) => header,
            _ => return Err(ParcelError::altered("its header cannot be read")),
        };
        let mut signature = [0; 64];
        signature.copy_from_slice(take(&mut bytes, 64)?);
        let body = take(&mut bytes, usize::try_from(header.body_bytes).unwrap_or(usize::MAX))?.to_vec();
        if !bytes.is_empty() {
            return Err(ParcelError::Trailing { bytes: bytes.len() as u64 });
        }
        if blake3::hash(&body).as_bytes() != &header.body_digest.0 {
            return Err(ParcelError::altered("its body is not the one that was signed"));
        }
        Ok(Self { header, signature: Signature(signature), body })
    }

    /// Whether a member of the org that `authority` vouches for made it and signed this header.
    pub fn prove(&self, org: &OrgId, authority: &PublicKey) -> Result<(), ParcelError> {
        let exporter = &self.header.exporter.device;
        if !exporter.key.verifies(&self.header.signed_text(), &self.signature) {
            return Err(ParcelError::altered("its signature does not hold"));
        }
        if self.header.org != *org {
            return Err(ParcelError::OtherOrg { org: self.header.org });
        }
        if exporter.org != *org || !exporter.verifies(authority) {
            return Err(ParcelError::Stranger { name: exporter.name.clone() });
        }
        Ok(())
    }
}

/// What is asked of an export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ParcelNew {
    /// Only this mission, with the org's own streams; everything if absent.
    pub mission: Option<MissionId>,
    /// Only what this device, by name or id, is known to lack.
    #[serde(rename = "for")]
    pub for_device: Option<String>,
    /// Leave out what these chains hold, as `inspect` tells them of an earlier parcel.
    pub after: Vec<ParcelChain>,
    /// Who may read it: devices of the org by name or id, or `age1…` keys. Empty: everybody who finds it.
    pub seal_to: Vec<String>,
}

/// What is in a parcel, told without taking it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParcelContents {
    /// The org whose entries these are.
    pub org: OrgId,
    /// The device that made it.
    pub exporter: DeviceId,
    /// Name of that device.
    pub exporter_name: String,
    /// When it was made, Unix milliseconds by that device's clock.
    pub written_ms: u64,
    /// Entries in it.
    pub entries: u64,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Whether it is sealed to recipients.
    pub sealed: bool,
    /// Whether this node can read what is in it: it is not sealed, or sealed to this device too.
    pub readable: bool,
    /// What it holds of whom; empty where it cannot be read.
    pub chains: Vec<ParcelChain>,
}

/// One author's entries of one stream in a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParcelChain {
    /// The stream, as `scope/kind`.
    pub stream: String,
    /// The author.
    pub author: AuthorId,
    /// Name of the author's device, if the parcel says it.
    pub device: String,
    /// Number of the first entry.
    pub first: u64,
    /// Number of the last entry.
    pub last: u64,
    /// Entries; in register streams fewer than the numbers span.
    pub entries: u64,
}

/// What an import did. A second import of the same parcel finds everything known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ParcelImported {
    /// Entries in the parcel.
    pub entries: u64,
    /// Entries that were new here and are stored now.
    pub fresh: u64,
    /// Entries that were here already.
    pub known: u64,
    /// Of the new ones, those kept aside because their author may not write them.
    pub quarantined: u64,
    /// Runs that could not be placed, because entries before them are in neither the parcel nor this node.
    pub gaps: Vec<ParcelGap>,
    /// Runs that were not taken.
    pub refused: Vec<ParcelRefused>,
}

/// Entries that are missing before a run of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParcelGap {
    /// The stream, as `scope/kind`.
    pub stream: String,
    /// The author.
    pub author: AuthorId,
    /// The first number that is missing.
    pub first_missing: u64,
    /// The first number of the run in the parcel.
    pub first: u64,
    /// Entries of the run, which were left out.
    pub entries: u64,
}

/// A run of a parcel that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParcelRefused {
    /// The stream, as `scope/kind`.
    pub stream: String,
    /// The author.
    pub author: AuthorId,
    /// Number of the first entry of the run.
    pub first: u64,
    /// Entries of the run.
    pub entries: u64,
    /// Why, and what to do.
    pub reason: String,
}
