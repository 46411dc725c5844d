//! The engine's part in parcels: what to pack, packs as a peer would get them, the signature, and packs taken in.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::Signer;
use holdfast_domain::entry::{Digest, Signature};
use holdfast_domain::feed::{self, ControlBody};
use holdfast_domain::frame::{LinkId, Pack, PackRange};
use holdfast_domain::frontier::Frontier;
use holdfast_domain::identity::{AuthorId, Credential, DeviceCredential, DeviceId};
use holdfast_domain::limits::PACK_RAW_BYTES;
use holdfast_domain::parcel::{ParcelGap, ParcelHeader, ParcelImported, ParcelNew, ParcelRefused};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_protocol::parcel::Taken;
use holdfast_protocol::protocol::Input;
use holdfast_store::error::StoreError;

use crate::effect::Notice;
use crate::engine::{Core, Step};
use crate::handle::Failed;
use crate::packs::Wanted;
use crate::parcel::ParcelRefusal;
use crate::parcel::sealing::Recipient;

/// One step in making or taking a parcel; each is bounded, so that other work goes on between them.
#[derive(Debug)]
pub enum ParcelStep {
    /// Say what is to be packed.
    Plan(ParcelNew),
    /// Load one pack of a stream, authors from their first numbers on.
    Load {
        /// Its number in the parcel.
        id: u32,
        /// The stream.
        stream: StreamId,
        /// Whose entries, each from which number on.
        wanted: Vec<(AuthorId, u64)>,
    },
    /// Sign the header of a body.
    Sign {
        /// Entries in it.
        entries: u64,
        /// Whether it is sealed.
        sealed: bool,
        /// Its length, bytes.
        body_bytes: u64,
        /// BLAKE3 of it.
        body_digest: Digest,
    },
    /// Take packs of a proved parcel in, in one commit.
    Take {
        /// Who vouches for the authors.
        offered: Arc<BTreeMap<AuthorId, Credential>>,
        /// The packs.
        packs: Vec<Pack>,
    },
    /// Take note that a parcel was turned away.
    TurnedAway {
        /// What is wrong with it.
        fault: String,
    },
}

/// What came of a [`ParcelStep`].
#[derive(Debug)]
pub enum ParcelAnswer {
    /// Of [`ParcelStep::Plan`].
    Planned(Result<Plan, Failed>),
    /// Of [`ParcelStep::Load`]; `None` if there is nothing more.
    Loaded(Option<Box<Pack>>),
    /// Of [`ParcelStep::Sign`].
    Signed(Box<(ParcelHeader, Signature)>),
    /// Of [`ParcelStep::Take`].
    Taken(ParcelImported),
    /// Of [`ParcelStep::TurnedAway`].
    Noted,
}

/// An author, the first number to pack and the newest one held.
pub type Chain = (AuthorId, u64, u64);

/// What is to be packed.
#[derive(Debug, Default)]
pub struct Plan {
    /// Streams with their chains.
    pub streams: Vec<(StreamId, Vec<Chain>)>,
    /// The org's word for the authors.
    pub credentials: Vec<Credential>,
    /// To whom it is to be sealed; empty for an open parcel.
    pub recipients: Vec<Recipient>,
}

/// Where enrolments stand.
const CONTROL: StreamId = StreamId { scope: Scope::Org, kind: StreamKind::Control };

/// Parcels come on no link.
const NO_LINK: LinkId = LinkId(0);

impl Core {
    pub(crate) fn parcel(&mut self, step: &mut Step<'_>, request: ParcelStep) -> Result<ParcelAnswer, StoreError> {
        Ok(match request {
            ParcelStep::Plan(new) => ParcelAnswer::Planned(self.plan(&new, &self.devices(step)?)),
            ParcelStep::Load { id, stream, wanted } => {
                ParcelAnswer::Loaded(self.parcel_pack(step, id, stream, &wanted)?.map(Box::new))
            }
            ParcelStep::Sign { entries, sealed, body_bytes, body_digest } => {
                // The clock must not fall behind what it has signed, not even by a restart.
                step.dirty = true;
                let header = ParcelHeader {
                    org: self.config.device.org,
                    exporter: self.credential.clone(),
                    written: self.clock.tick(step.now),
                    entries,
                    sealed,
                    body_bytes,
                    body_digest,
                };
                let signature = Signature(self.config.key.sign(&header.signed_text()).to_bytes());
                ParcelAnswer::Signed(Box::new((header, signature)))
            }
            ParcelStep::Take { offered, packs } => {
                let mut report = ParcelImported::default();
                let aside = |core: &Self| core.counters.get("entries_quarantined").copied().unwrap_or(0);
                let before = aside(self);
                for pack in packs {
                    self.take_pack(step, pack, &offered, &mut report)?;
                }
                report.quarantined = aside(self) - before;
                if let Some(first) = report.refused.first() {
                    let runs = report.refused.len();
                    *self.counters.entry("parcel_runs_refused").or_default() += runs as u64;
                    step.notice(Notice::ParcelRunsRefused { runs, fault: first.reason.clone() });
                }
                ParcelAnswer::Taken(report)
            }
            ParcelStep::TurnedAway { fault } => {
                *self.counters.entry("parcels_refused").or_default() += 1;
                step.notice(Notice::ParcelRefused { fault });
                ParcelAnswer::Noted
            }
        })
    }

    /// Every device that this node has heard of: those it met or holds entries of, and those that the org enrolled.
    pub(crate) fn devices(&self, step: &Step<'_>) -> Result<Vec<DeviceCredential>, StoreError> {
        let mut devices: BTreeMap<DeviceId, DeviceCredential> = BTreeMap::new();
        for (_, entry) in step.store.feed_entries(CONTROL, 0, usize::MAX >> 1)? {
            if let Ok(ControlBody::EnrolledV1 { device, .. }) = feed::decode(&entry.body)
                && device.verifies(&self.config.authority_key)
            {
                devices.insert(device.device(), device);
            }
        }
        devices.extend(self.peers.devices().map(|device| (device.device(), device.clone())));
        Ok(devices.into_values().collect())
    }

    fn plan(&self, new: &ParcelNew, devices: &[DeviceCredential]) -> Result<Plan, Failed> {
        let nothing = Frontier::default();
        let held = match &new.for_device {
            None => &nothing,
            Some(named) => {
                let device = device_named(devices, named);
                let device = device.ok_or_else(|| ParcelRefusal::UnknownDevice { named: named.clone() })?;
                self.peers.held_by(device.device()).unwrap_or(&nothing)
            }
        };
        let mine = self.protocol.frontier();
        if let Some(mission) = new.mission.filter(|mission| mine.scope(Scope::Mission(*mission)).is_none()) {
            return Err(Refusal::NotFound { kind: "mission", id: mission.to_string() }.into());
        }
        let mut plan = Plan::default();
        let asked = |scope| new.mission.is_none_or(|mission| scope == Scope::Org || scope == Scope::Mission(mission));
        let mut after: BTreeMap<(&str, AuthorId), u64> = BTreeMap::new();
        for chain in &new.after {
            let last = after.entry((&chain.stream, chain.author)).or_default();
            *last = chain.last.max(*last);
        }
        let mut streams: BTreeMap<StreamId, Vec<Chain>> = BTreeMap::new();
        for (scope, heads) in mine.scopes().filter(|(scope, _)| asked(*scope)) {
            for (kind, author, head) in heads.heads() {
                let stream = StreamId::new(scope, kind);
                let told = after.get(&(stream.to_string().as_str(), author)).copied().unwrap_or(0);
                let there = told.max(held.seq(stream, author));
                let first = there.max(self.protocol.base(stream, author)).saturating_add(1);
                if first <= head.seq {
                    streams.entry(stream).or_default().push((author, first, head.seq));
                    plan.credentials.extend(self.protocol.credential(author).cloned());
                }
            }
        }
        plan.credentials.sort_by_key(Credential::author);
        plan.credentials.dedup();
        plan.streams = streams.into_iter().collect();
        for named in &new.seal_to {
            plan.recipients.push(recipient(devices, named)?);
        }
        if !plan.recipients.is_empty() {
            plan.recipients.extend(Recipient::of_device(&self.config.device.key));
        }
        Ok(plan)
    }

    fn parcel_pack(
        &mut self,
        step: &Step<'_>,
        id: u32,
        stream: StreamId,
        wanted: &[(AuthorId, u64)],
    ) -> Result<Option<Pack>, StoreError> {
        let load =
            Wanted { stream, authors: wanted.to_vec(), bundle: false, raw_bytes: PACK_RAW_BYTES / 4, span_bytes: 0 };
        let loaded = self.load_pack(step, NO_LINK, &load)?;
        let Input::Loaded { entries, bases, form, payload, .. } = loaded else { return Ok(None) };
        if entries.is_empty() {
            return Ok(None);
        }
        Ok(holdfast_protocol::parcel::pack(id, stream, wanted, &entries, &bases, (form, payload)))
    }

    fn take_pack(
        &mut self,
        step: &mut Step<'_>,
        pack: Pack,
        offered: &BTreeMap<AuthorId, Credential>,
        report: &mut ParcelImported,
    ) -> Result<(), StoreError> {
        let stream = pack.stream;
        let Input::Unpacked { pack, bodies, mine, .. } = Self::unpack(step, NO_LINK, pack)? else { return Ok(()) };
        // Whoever opened the parcel has unpacked it before; without bodies every run counts as forged.
        let bodies = bodies.unwrap_or_default();
        let mut taken = self.protocol.take_parcel(&pack, bodies.clone(), mine.clone(), offered);
        if taken.own_history {
            let reborn = self.raise_epoch(step)?;
            self.say(step, reborn)?;
            taken = self.protocol.take_parcel(&pack, bodies, mine, offered);
        }
        tell(stream, &pack, &taken, report);
        for (author, seq, rivals) in taken.forks {
            step.txn.put_fork(stream, author, seq, &rivals)?;
            step.dirty = true;
            step.notice(Notice::Fork { stream, author, seq });
        }
        if taken.fresh.is_empty() {
            return Ok(());
        }
        for (author, seq, digest) in taken.jumps {
            let passed = step.txn.jump(stream, author, seq, digest)?;
            self.floors.passed(stream, passed);
        }
        self.admit(step, &taken.fresh, &taken.credentials)?;
        let entries = taken.fresh.iter().map(|entry| (entry.key, entry.digest)).collect();
        self.say(step, Input::Committed { from: None, entries, credentials: taken.credentials })?;
        let news: Vec<Input> = self.floors.news().collect();
        news.into_iter().try_for_each(|input| self.say(step, input))
    }
}

fn device_named<'a>(devices: &'a [DeviceCredential], named: &str) -> Option<&'a DeviceCredential> {
    let mut found = devices.iter().filter(|device| device.name == named || device.device().to_string() == named);
    let device = found.next()?;
    found.next().is_none().then_some(device)
}

fn recipient(devices: &[DeviceCredential], named: &str) -> Result<Recipient, ParcelRefusal> {
    let bad = || ParcelRefusal::BadRecipient { named: named.chars().take(80).collect() };
    if named.starts_with("age1") {
        return named.parse().map_err(|_| bad());
    }
    device_named(devices, named).and_then(|device| Recipient::of_device(&device.key)).ok_or_else(bad)
}

/// Adds what came of one pack to the report.
fn tell(stream: StreamId, pack: &Pack, taken: &Taken, report: &mut ParcelImported) {
    report.entries += pack.ranges.iter().map(|range| u64::from(range.count)).sum::<u64>();
    report.fresh += taken.fresh.len() as u64;
    report.known += taken.known;
    report.gaps.extend(taken.gaps.iter().map(|(range, first_missing)| ParcelGap {
        stream: stream.to_string(),
        author: range.author,
        first_missing: *first_missing,
        first: range.first,
        entries: u64::from(range.count),
    }));
    let refused = |(range, reason): &(PackRange, holdfast_protocol::parcel::Refused)| ParcelRefused {
        stream: stream.to_string(),
        author: range.author,
        first: range.first,
        entries: u64::from(range.count),
        reason: reason.to_string(),
    };
    report.refused.extend(taken.refused.iter().map(refused));
}
