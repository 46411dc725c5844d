//! Entries that come by file instead of by link: packed and judged as those of peers are.
//!
//! Nothing is asked for here, since nobody listens at the other end: what a session would ask for is told as a gap.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::entry::{Digest, Entry};
use holdfast_domain::frame::{Pack, PackForm, PackRange};
use holdfast_domain::identity::{AuthorId, Credential, OrgId, PublicKey};
use holdfast_domain::limits::ENTRY_BODY_BYTES_MAX;
use holdfast_domain::parcel::{ParcelBody, ParcelError};
use holdfast_domain::scope::StreamId;

use crate::protocol::Protocol;
use crate::run;
use crate::verify::{self, Case, Verdict};

/// What came of one pack of a parcel. Fresh entries and forks are for the commit under way; then comes
/// [`crate::protocol::Input::Committed`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The pack holds what this node's present author wrote and this node does not have, or has otherwise: its disk is
    /// older than its words. Nothing was taken; raise the epoch ([`crate::protocol::Input::Reborn`]) and give the pack
    /// again.
    pub own_history: bool,
    /// Entries to store, in order per author, each continuing what is held.
    pub fresh: Vec<Entry>,
    /// Chains that go on from here first, since floors stand for what the parcel does not have.
    pub jumps: Vec<(AuthorId, u64, Digest)>,
    /// Credentials of their authors that were not committed before.
    pub credentials: Vec<Credential>,
    /// Entries held already.
    pub known: u64,
    /// Proofs that an author wrote two histories: where they part, and the entries that rival those held. The chain is
    /// frozen from here on.
    pub forks: Vec<(AuthorId, u64, Vec<Entry>)>,
    /// Runs before which entries are missing: which run, and the first number that is missing.
    pub gaps: Vec<(PackRange, u64)>,
    /// Runs that were not taken, each with the reason.
    pub refused: Vec<(PackRange, Refused)>,
}

/// Why a run was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The author never signed it.
    #[error("its author never signed it; whoever made the parcel forged or damaged it")]
    Forged,
    /// No credential of the author is known.
    #[error("nothing vouches for its author")]
    Unknown,
    /// The author's chain is frozen, or has just been.
    #[error("its author wrote two histories, and its stream is frozen; see `status`")]
    Frozen,
    /// It does not follow from what is held.
    #[error(
        "it does not follow from what is held here: perhaps its author has two histories; meet a peer, or take a parcel with everything"
    )]
    Suspect,
}

/// The pack of loaded entries: as a peer would be sent it, without credentials. `bases` are the digests before runs that
/// do not begin at 1. `None` if the entries are not what was wanted, or do not end at a signature.
pub fn pack(
    id: u32,
    stream: StreamId,
    wanted: &[(AuthorId, u64)],
    entries: &[Entry],
    bases: &[(AuthorId, Digest)],
    (form, payload): (PackForm, Vec<u8>),
) -> Option<Pack> {
    let runs = run::of_entries(stream, wanted, entries, bases, &BTreeSet::new())?;
    let ranges = runs.into_iter().map(|run| run.range).collect();
    Some(Pack { id, stream, credentials: Vec::new(), ranges, form, payload })
}

/// Whether a body has the shape that nodes give it, and who vouches for its authors. Of the entries nothing is proved.
pub fn credentials(
    body: &ParcelBody,
    org: &OrgId,
    authority: &PublicKey,
) -> Result<BTreeMap<AuthorId, Credential>, ParcelError> {
    let malformed = |fault: &str| ParcelError::Malformed { fault: fault.to_owned() };
    let good = |credential: &Credential| credential.device.org == *org && credential.device.verifies(authority);
    let shaped = |pack: &Pack| verify::is_well_formed(pack, false) && pack.credentials.is_empty();
    if !body.packs.iter().all(shaped) {
        return Err(malformed("a pack whose ranges or signatures do not add up"));
    }
    let authors: BTreeSet<AuthorId> =
        body.packs.iter().flat_map(|pack| &pack.ranges).map(|range| range.author).collect();
    let offered: BTreeMap<AuthorId, Credential> =
        body.credentials.iter().map(|credential| (credential.author(), credential.clone())).collect();
    if offered.len() != body.credentials.len() || !offered.keys().all(|author| authors.contains(author)) {
        return Err(malformed("the word for a device twice, or for one that wrote nothing in it"));
    }
    if !offered.values().all(good) {
        return Err(malformed("the word for a device that the org's authority never gave"));
    }
    Ok(offered)
}

impl Protocol {
    /// Judges every run of a pack whose shape and bodies are sound ([`credentials`]); `mine` holds this node's digests
    /// at the numbers of each run and the one before it. A forged run is named and does not hold up the others: the
    /// file has been carried here by people, who need what is good in it.
    pub fn take_parcel(
        &mut self,
        pack: &Pack,
        bodies: Vec<Vec<u8>>,
        mine: Vec<(AuthorId, Vec<(u64, Digest)>)>,
        offered: &BTreeMap<AuthorId, Credential>,
    ) -> Taken {
        let mut mine: BTreeMap<AuthorId, Vec<(u64, Digest)>> = mine.into_iter().collect();
        let mut bodies = bodies.into_iter();
        let mut verdicts = Vec::with_capacity(pack.ranges.len());
        for range in &pack.ranges {
            let bodies: Vec<Vec<u8>> = bodies.by_ref().take(range.count as usize).collect();
            let digests = mine.remove(&range.author).unwrap_or_default();
            verdicts.push((range, self.judge_run(pack.stream, range, bodies, digests, offered)));
        }
        let harmless = |verdict: &Verdict| {
            matches!(
                verdict,
                Verdict::Duplicate(_) | Verdict::Below | Verdict::Unplaced | Verdict::Frozen | Verdict::Forged
            )
        };
        let own = self.held.own_author();
        if verdicts.iter().any(|(range, verdict)| range.author == own && !harmless(verdict)) {
            return Taken { own_history: true, ..Taken::default() };
        }
        let mut taken = Taken::default();
        for (range, verdict) in verdicts {
            self.settle(pack.stream, range, verdict, &mut taken);
        }
        let authors = taken.fresh.chunk_by(|a, b| a.key.author == b.key.author).map(|run| run[0].key.author);
        let unsaved = authors.filter(|author| !self.held.is_saved(*author));
        taken.credentials = unsaved
            .filter_map(|author| self.held.credential(author).or_else(|| offered.get(&author)).cloned())
            .collect();
        taken
    }

    fn judge_run(
        &self,
        stream: StreamId,
        range: &PackRange,
        bodies: Vec<Vec<u8>>,
        mine: Vec<(u64, Digest)>,
        offered: &BTreeMap<AuthorId, Credential>,
    ) -> Verdict {
        let credential = self.held.credential(range.author).or_else(|| offered.get(&range.author));
        let (Some(credential), Some(seqs)) = (credential, range.seqs()) else { return Verdict::Unknown };
        if self.held.is_frozen(stream, range.author) {
            return Verdict::Frozen;
        }
        if bodies.len() != seqs.len() || bodies.iter().any(|body| body.len() > ENTRY_BODY_BYTES_MAX) {
            return Verdict::Forged;
        }
        Case {
            org: self.config.org,
            key: &credential.device.key,
            stream,
            range,
            seqs,
            bodies,
            head: self.landing(stream, range).or_else(|| self.held.head(stream, range.author)),
            mine: mine.into_iter().collect(),
            base: self.held.base(stream, range.author),
        }
        .judge()
    }

    fn settle(&mut self, stream: StreamId, range: &PackRange, verdict: Verdict, taken: &mut Taken) {
        let author = range.author;
        let mut refuse = |reason| taken.refused.push((range.clone(), reason));
        match verdict {
            Verdict::Duplicate(_) | Verdict::Below => taken.known += u64::from(range.count),
            Verdict::Extends(entries, _) => {
                if let Some((seq, digest)) = self.landing(stream, range) {
                    taken.jumps.push((author, seq, digest));
                    self.held.based(stream, author, seq, digest);
                }
                taken.known += u64::from(range.count) - entries.len() as u64;
                taken.fresh.extend(entries);
            }
            Verdict::Gap(first) => taken.gaps.push((range.clone(), first)),
            Verdict::Forked(seq, rivals) => {
                refuse(Refused::Frozen);
                self.held.freeze(stream, author);
                taken.forks.push((author, seq, rivals));
            }
            Verdict::Frozen => refuse(Refused::Frozen),
            Verdict::Forged => refuse(Refused::Forged),
            Verdict::Unknown => refuse(Refused::Unknown),
            Verdict::Suspect | Verdict::Unplaced => refuse(Refused::Suspect),
        }
    }
}
