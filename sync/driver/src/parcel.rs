//! Parcels: gathered from an engine and sealed, opened and handed to an engine in portions. It knows files' bytes only,
//! and asks the engine by commands, so a running node and a stopped one make and take the same parcels.

pub mod frames;
pub mod sealing;
pub mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_domain::entry::Digest;
use holdfast_domain::identity::{AuthorId, Credential, OrgId, PublicKey};
use holdfast_domain::limits::{PACK_AUTHORS_MAX, PARCEL_BYTES_MAX, PARCEL_STEP_PACKS, PARCEL_UNPACKED_BYTES_MAX};
use holdfast_domain::parcel::{
    Parcel, ParcelBody, ParcelChain, ParcelContents, ParcelError, ParcelImported, ParcelNew,
};
use holdfast_domain::scope::StreamId;

use crate::effect::Reply;
use crate::event::Command;
use crate::handle::Failed;
use crate::parcel::sealing::ParcelKey;
use crate::parcel::steps::{ParcelAnswer, ParcelStep, Plan};

/// Why a parcel cannot be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParcelRefusal {
    /// The file is not one that can be taken.
    #[error(transparent)]
    Parcel(#[from] ParcelError),
    /// No such device.
    #[error("there is no device `{named}` known here, or several; `peers` lists them, and an id names one")]
    UnknownDevice {
        /// What was given.
        named: String,
    },
    /// No such recipient.
    #[error("`{named}` is no recipient: give the name or id of a device known here, or a key that begins with age1")]
    BadRecipient {
        /// What was given.
        named: String,
    },
    /// There is nothing to export.
    #[error("there is nothing to export: what was asked for holds no entries, or the device has them all")]
    Empty,
}

/// What a node needs to prove and read parcels.
pub struct ParcelReader {
    /// The org of this node.
    pub org: OrgId,
    /// The org's authority.
    pub authority: PublicKey,
    /// What opens bodies sealed to this device.
    pub key: ParcelKey,
}

/// A parcel that is proved to be whole and its maker's; who wrote the entries is yet to be judged.
#[derive(Debug)]
pub struct Opened {
    /// The entries.
    pub body: ParcelBody,
    /// Who vouches for their authors.
    pub offered: BTreeMap<AuthorId, Credential>,
}

impl ParcelReader {
    /// Takes a file apart and proves it; nothing is read of a body that is sealed to others.
    pub fn prove(&self, bytes: &[u8]) -> Result<Parcel, ParcelError> {
        let parcel = Parcel::decode(bytes)?;
        parcel.prove(&self.org, &self.authority)?;
        Ok(parcel)
    }

    /// Reads a proved parcel to its last byte, so that one that cannot be taken whole is not begun with.
    pub fn open(&self, parcel: &Parcel) -> Result<Opened, ParcelError> {
        let body = if parcel.header.sealed {
            ParcelBody::decode(&self.key.open(&parcel.body)?)?
        } else {
            ParcelBody::decode(&parcel.body)?
        };
        let offered = holdfast_protocol::parcel::credentials(&body, &self.org, &self.authority)?;
        let malformed = |fault: String| ParcelError::Malformed { fault };
        let (mut entries, mut unpacked) = (0_u64, 0);
        for pack in &body.packs {
            let bodies = holdfast_replica::pack::unpack(pack.form, &pack.payload, &pack.ranges)
                .map_err(|error| malformed(error.to_string()))?;
            entries += bodies.len() as u64;
            unpacked += bodies.iter().map(Vec::len).sum::<usize>();
            if unpacked > PARCEL_UNPACKED_BYTES_MAX {
                return Err(malformed(format!("it unpacks to more than {PARCEL_UNPACKED_BYTES_MAX} bytes")));
            }
        }
        if entries != parcel.header.entries {
            return Err(malformed(format!("{entries} entries, where it says {}", parcel.header.entries)));
        }
        Ok(Opened { body, offered })
    }

    /// Tells what is in a parcel; of one that is sealed to others, what its header says.
    pub fn inspect(&self, bytes: &[u8]) -> Result<ParcelContents, ParcelError> {
        let parcel = self.prove(bytes)?;
        let opened = match self.open(&parcel) {
            Err(ParcelError::SealedToOthers) => None,
            opened => Some(opened?),
        };
        let header = &parcel.header;
        Ok(ParcelContents {
            org: header.org,
            exporter: header.exporter.device.device(),
            exporter_name: header.exporter.device.name.clone(),
            written_ms: header.written.ms(),
            entries: header.entries,
            bytes: bytes.len() as u64,
            sealed: header.sealed,
            readable: opened.is_some(),
            chains: opened.as_ref().map(chains).unwrap_or_default(),
        })
    }
}

/// What is held of whom, runs of one author and stream told as one.
fn chains(opened: &Opened) -> Vec<ParcelChain> {
    let mut spans: BTreeMap<(StreamId, AuthorId), (u64, u64, u64)> = BTreeMap::new();
    for pack in &opened.body.packs {
        for range in &pack.ranges {
            let last = range.seqs().and_then(|seqs| seqs.last().copied()).unwrap_or(range.first);
            let span = spans.entry((pack.stream, range.author)).or_insert((range.first, last, 0));
            *span = (span.0.min(range.first), span.1.max(last), span.2 + u64::from(range.count));
        }
    }
    let name = |author| opened.offered.get(&author).map_or_else(String::new, |known| known.device.name.clone());
    let chain = |((stream, author), (first, last, entries)): ((StreamId, AuthorId), _)| ParcelChain {
        stream: stream.to_string(),
        author,
        device: name(author),
        first,
        last,
        entries,
    };
    spans.into_iter().map(chain).collect()
}

/// How a parcel's maker or taker reaches the engine.
pub type Ask<'a> = &'a mut dyn FnMut(Command) -> Result<Reply, Failed>;

fn step(ask: Ask<'_>, step: ParcelStep) -> Result<ParcelAnswer, Failed> {
    match ask(Command::Parcel(step))? {
        Reply::Parcel(answer) => Ok(answer),
        Reply::NotSaved(refusal) => Err(refusal.into()),
        _ => Err(Failed::Stopped),
    }
}

/// Makes a parcel: the bytes of the file. What is sealed is sealed to this device, too, so that its maker can tell later
/// what was in it.
pub fn export(ask: Ask<'_>, new: &ParcelNew) -> Result<Vec<u8>, Failed> {
    let plan = match step(ask, ParcelStep::Plan(new.clone()))? {
        ParcelAnswer::Planned(plan) => plan?,
        _ => return Err(Failed::Stopped),
    };
    let Plan { streams, credentials, recipients } = plan;
    let mut body = ParcelBody { credentials, packs: Vec::new() };
    for (stream, chains) in streams {
        for chains in chains.chunks(PACK_AUTHORS_MAX) {
            load(ask, stream, chains.to_vec(), &mut body)?;
        }
    }
    let authors: BTreeSet<AuthorId> =
        body.packs.iter().flat_map(|pack| &pack.ranges).map(|range| range.author).collect();
    body.credentials.retain(|credential| authors.contains(&credential.author()));
    let entries = body.packs.iter().flat_map(|pack| &pack.ranges).map(|range| u64::from(range.count)).sum();
    if entries == 0 {
        return Err(ParcelRefusal::Empty.into());
    }
    let mut bytes = body.encode();
    if !recipients.is_empty() {
        bytes = sealing::seal(&bytes, &recipients)?;
    }
    let request = ParcelStep::Sign {
        entries,
        sealed: !recipients.is_empty(),
        body_bytes: bytes.len() as u64,
        body_digest: Digest(*blake3::hash(&bytes).as_bytes()),
    };
    let ParcelAnswer::Signed(signed) = step(ask, request)? else { return Err(Failed::Stopped) };
    let (header, signature) = *signed;
    let file = Parcel { header, signature, body: bytes }.encode();
    if file.len() > PARCEL_BYTES_MAX {
        return Err(ParcelRefusal::from(ParcelError::TooLarge { bytes: file.len() as u64 }).into());
    }
    Ok(file)
}

/// Loads some authors' entries of one stream, pack by pack. A chain is its author, the first number wanted and the
/// newest one held.
fn load(
    ask: Ask<'_>,
    stream: StreamId,
    mut chains: Vec<(AuthorId, u64, u64)>,
    body: &mut ParcelBody,
) -> Result<(), Failed> {
    let mut bytes: usize = body.packs.iter().map(|pack| pack.payload.len()).sum();
    while !chains.is_empty() {
        let wanted = chains.iter().map(|&(author, first, _)| (author, first)).collect();
        let request = ParcelStep::Load { id: body.packs.len() as u32, stream, wanted };
        let ParcelAnswer::Loaded(loaded) = step(ask, request)? else { return Err(Failed::Stopped) };
        let Some(pack) = loaded.map(|pack| *pack) else { break };
        for range in &pack.ranges {
            let last = range.seqs().and_then(|seqs| seqs.last().copied()).unwrap_or(u64::MAX);
            for chain in chains.iter_mut().filter(|chain| chain.0 == range.author) {
                chain.1 = last.saturating_add(1);
            }
        }
        chains.retain(|(_, first, newest)| first <= newest);
        bytes += pack.payload.len();
        if bytes > PARCEL_BYTES_MAX {
            return Err(ParcelRefusal::from(ParcelError::TooLarge { bytes: bytes as u64 }).into());
        }
        body.packs.push(pack);
    }
    Ok(())
}

/// Takes a parcel in, some packs with each commit. Cut short, it can be taken in again: what is here already is known. A
/// bad one is counted and told of.
pub fn import(ask: Ask<'_>, reader: &ParcelReader, bytes: &[u8]) -> Result<ParcelImported, Failed> {
    let opened = reader.prove(bytes).and_then(|parcel| reader.open(&parcel));
    let Opened { body, offered } = match opened {
        Ok(opened) => opened,
        // Who carries a parcel for others has done nothing wrong.
        Err(error @ ParcelError::SealedToOthers) => return Err(ParcelRefusal::from(error).into()),
        Err(error) => {
            // What is wrong counts for the asker, though an engine with too much to do has not heard of it.
            step(ask, ParcelStep::TurnedAway { fault: error.to_string() }).ok();
            return Err(ParcelRefusal::from(error).into());
        }
    };
    let offered = Arc::new(offered);
    let mut report = ParcelImported::default();
    let mut packs = body.packs.into_iter().peekable();
    while packs.peek().is_some() {
        let portion = packs.by_ref().take(PARCEL_STEP_PACKS).collect();
        let request = ParcelStep::Take { offered: Arc::clone(&offered), packs: portion };
        let ParcelAnswer::Taken(part) = step(ask, request)? else { return Err(Failed::Stopped) };
        report.entries += part.entries;
        report.fresh += part.fresh;
        report.known += part.known;
        report.quarantined += part.quarantined;
        report.gaps.extend(part.gaps);
        report.refused.extend(part.refused);
    }
    Ok(report)
}
