//! Packs that come in: shape, unpacking, proof, admission, acknowledgement. A pack with guilt in it counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::entry::{Digest, Entry, EntryKey};
use holdfast_domain::frame::{Ack, Bye, FrameV1, LinkId, Pack, capability};
use holdfast_domain::frontier::Head;
use holdfast_domain::identity::{AuthorId, Credential};
use holdfast_domain::limits::{ENTRY_BODY_BYTES_MAX, OFFERED_CREDENTIALS_MAX};
use holdfast_domain::scope::{Class, Family, StreamId};

use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::session::{Link, Open, send};
use crate::verify::{self, Case, Verdict};

/// A run of a pack, judged.
struct Judged {
    author: AuthorId,
    count: usize,
    last: u64,
    verdict: Verdict,
    /// Where the chain goes on before the run, if entries before it are passed over.
    landing: Option<(u64, Digest)>,
}

impl Protocol {
    pub(crate) fn pack_came(&mut self, link: LinkId, pack: Pack, bytes: usize, out: &mut Vec<Effect>) {
        let bundles_welcome = self.config.capabilities & capability::BUNDLE != 0;
        let Some(state) = self.links.get_mut(&link) else { return };
        if !verify::is_well_formed(&pack, bundles_welcome) || !state.open.inbox.push(pack, bytes) {
            self.counters.one(counters::PACKS_REJECTED);
            return self.close(link, Bye::BadFrame, out);
        }
        self.counters.one(counters::PACKS_RECEIVED);
        self.unpack_next(link, out);
    }

    pub(crate) fn unpack_next(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        if let Some(pack) = self.open_mut(link).and_then(|open| open.inbox.next()) {
            out.push(Effect::Unpack { link, pack });
        }
    }

    pub(crate) fn unpacked(
        &mut self,
        link: LinkId,
        pack: &Pack,
        bodies: Result<Vec<Vec<u8>>, String>,
        mine: Vec<(AuthorId, Vec<(u64, Digest)>)>,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = self.links.get(&link).and_then(Link::open) else { return };
        let current = open.inbox.current.as_ref();
        if current.is_none_or(|current| current.pack != pack.id || current.admitting) {
            return;
        }
        self.stirred.insert(link);
        let judged = self.offered(open, pack).and_then(|offered| {
            let verdicts = self.judge(pack, bodies, mine, &offered)?;
            Ok((offered, verdicts))
        });
        match judged {
            Ok((offered, verdicts)) => {
                if let Some(open) = self.open_mut(link) {
                    open.offered = offered;
                }
                self.take_in(link, pack.stream, verdicts, out);
            }
            Err(reason) => {
                self.counters.one(counters::PACKS_REJECTED);
                self.close(link, reason, out);
            }
        }
    }

    /// The credentials offered on this link, with those of the pack.
    fn offered(&self, open: &Open, pack: &Pack) -> Result<BTreeMap<AuthorId, Credential>, Bye> {
        let mut offered = open.offered.clone();
        offered.retain(|author, _| !self.held.is_saved(*author));
        for credential in &pack.credentials {
            let author = credential.author();
            if self.held.credential(author) == Some(credential) {
                continue;
            }
            let good = credential.device.org == self.config.org && credential.device.verifies(&self.config.authority);
            if !good {
                return Err(Bye::BadCredential);
            }
            offered.entry(author).or_insert_with(|| credential.clone());
        }
        if offered.len() > OFFERED_CREDENTIALS_MAX { Err(Bye::BadFrame) } else { Ok(offered) }
    }

    /// Judges every run of a pack; one that proves the peer's guilt condemns them all.
    fn judge(
        &self,
        pack: &Pack,
        bodies: Result<Vec<Vec<u8>>, String>,
        mine: Vec<(AuthorId, Vec<(u64, Digest)>)>,
        offered: &BTreeMap<AuthorId, Credential>,
    ) -> Result<Vec<Judged>, Bye> {
        let bodies = bodies.map_err(|_| Bye::BadFrame)?;
        let count: usize = pack.ranges.iter().map(|range| range.count as usize).sum();
        if bodies.len() != count || bodies.iter().any(|body| body.len() > ENTRY_BODY_BYTES_MAX) {
            return Err(Bye::BadFrame);
        }
        let mut mine: BTreeMap<AuthorId, Vec<(u64, Digest)>> = mine.into_iter().collect();
        let mut bodies = bodies.into_iter();
        let mut verdicts = Vec::with_capacity(pack.ranges.len());
        for range in &pack.ranges {
            let bodies: Vec<Vec<u8>> = bodies.by_ref().take(range.count as usize).collect();
            let seqs = range.seqs().ok_or(Bye::BadFrame)?;
            let last = seqs.last().copied().ok_or(Bye::BadFrame)?;
            let credential = self.held.credential(range.author).or_else(|| offered.get(&range.author));
            let landing = self.landing(pack.stream, range);
            let verdict = match credential {
                None => Verdict::Unknown,
                Some(_) if self.held.is_frozen(pack.stream, range.author) => Verdict::Frozen,
                Some(credential) => Case {
                    org: self.config.org,
                    key: &credential.device.key,
                    stream: pack.stream,
                    range,
                    seqs,
                    bodies,
                    head: landing.or_else(|| self.held.head(pack.stream, range.author)),
                    mine: mine.remove(&range.author).unwrap_or_default().into_iter().collect(),
                    base: self.held.base(pack.stream, range.author),
                }
                .judge(),
            };
            if verdict == Verdict::Forged {
                return Err(Bye::BadSignature);
            }
            verdicts.push(Judged { author: range.author, count: range.count as usize, last, verdict, landing });
        }
        Ok(verdicts)
    }

    /// Acts on what the runs of an innocent pack turned out to be.
    fn take_in(&mut self, link: LinkId, stream: StreamId, verdicts: Vec<Judged>, out: &mut Vec<Effect>) {
        let mut fresh: Vec<Entry> = Vec::new();
        let stale = verdicts.iter().all(|judged| matches!(judged.verdict, Verdict::Duplicate(_)));
        if stale && stream.kind.class() > Class::P0 {
            self.came_twice(link);
        }
        for Judged { author, count, last, verdict, landing } in verdicts {
            let own = author == self.held.own_author();
            let at_odds =
                !matches!(verdict, Verdict::Duplicate(_) | Verdict::Below | Verdict::Unplaced | Verdict::Frozen);
            if own && at_odds {
                self.own_history(stream, last, out);
            }
            match verdict {
                Verdict::Duplicate(digest) => {
                    self.counters.add(counters::ENTRIES_RECEIVED, count);
                    self.counters.add(counters::ENTRIES_DUPLICATE, count);
                    self.proved(link, stream, author, last, digest, out);
                }
                // Of the own author nothing is taken while it is the own; once reborn, it is a stranger like any other.
                Verdict::Extends(..) if own => {
                    let first = self.held.head(stream, author).map_or(1, |(seq, _)| seq.saturating_add(1));
                    self.ask(link, stream, author, first, last, out);
                }
                Verdict::Extends(entries, digest) => {
                    if let Some((seq, before)) = landing {
                        out.push(Effect::Jump { stream, author, seq, digest: before });
                        self.based(stream, author, (seq, before), out);
                    }
                    self.counters.add(counters::ENTRIES_RECEIVED, count);
                    self.counters.add(counters::ENTRIES_DUPLICATE, count - entries.len());
                    self.proved(link, stream, author, last, digest, out);
                    fresh.extend(entries);
                }
                Verdict::Gap(first) => self.gap(link, stream, author, first, last, out),
                Verdict::Suspect => self.suspect(link, stream, author, 1, last, out),
                Verdict::Forked(seq, rivals) => {
                    self.forked(link, stream, author, seq, rivals, out);
                    self.arrived(link, stream, author, last, out);
                }
                Verdict::Below => {
                    self.counters.one(counters::RUNS_BELOW_BASE);
                    self.arrived(link, stream, author, last, out);
                }
                Verdict::Unknown => self.counters.one(counters::RUNS_OF_UNKNOWN_AUTHORS),
                Verdict::Frozen => {
                    self.counters.one(counters::RUNS_OF_FROZEN_CHAINS);
                    self.arrived(link, stream, author, last, out);
                }
                Verdict::Unplaced | Verdict::Forged => self.counters.one(counters::RUNS_UNPLACED),
            }
        }
        self.hand_over(link, fresh, out);
    }

    /// Lets proved entries be taken into the commit under way; a pack without any is dealt with.
    fn hand_over(&mut self, link: LinkId, fresh: Vec<Entry>, out: &mut Vec<Effect>) {
        if fresh.is_empty() {
            return self.dealt_with(link, out);
        }
        let held = &self.held;
        let Some(open) = self.links.get_mut(&link).and_then(Link::open_mut) else { return };
        let credentials = open
            .inbox
            .current
            .iter()
            .flat_map(|current| &current.runs)
            .map(|(author, _)| author)
            .filter(|&&author| !held.is_saved(author) && fresh.iter().any(|entry| entry.key.author == author))
            .filter_map(|author| held.credential(*author).or_else(|| open.offered.get(author)).cloned())
            .collect();
        if let Some(current) = &mut open.inbox.current {
            current.admitting = true;
        }
        out.push(Effect::Admit { link, entries: fresh, credentials });
    }

    /// The peer sent a run that holds: it has these entries itself.
    fn proved(
        &mut self,
        link: LinkId,
        stream: StreamId,
        author: AuthorId,
        last: u64,
        digest: Digest,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = self.open_mut(link) else { return };
        if let Some(current) = &mut open.inbox.current {
            current.taken.insert(author);
        }
        open.theirs.learn(stream, author, Head { seq: last, digest: digest.short() });
        self.arrived(link, stream, author, last, out);
    }

    /// Entries are missing before a run: they are asked for, unless the peer has shown that it cannot bring them.
    fn gap(&mut self, link: LinkId, stream: StreamId, author: AuthorId, first: u64, last: u64, out: &mut Vec<Effect>) {
        self.counters.one(counters::RUNS_WITH_GAPS);
        if self.open_mut(link).is_some_and(|open| open.asks.may_fill(stream, author, first)) {
            self.ask(link, stream, author, first, last, out);
        } else {
            self.arrived(link, stream, author, last, out);
        }
    }

    pub(crate) fn arrived(
        &mut self,
        link: LinkId,
        stream: StreamId,
        author: AuthorId,
        last: u64,
        out: &mut Vec<Effect>,
    ) {
        let ask = self.open_mut(link).and_then(|open| open.asks.arrived(stream, author, last));
        self.send_ask(link, ask, out);
    }

    pub(crate) fn ask(
        &mut self,
        link: LinkId,
        stream: StreamId,
        author: AuthorId,
        first: u64,
        last: u64,
        out: &mut Vec<Effect>,
    ) {
        let ask = self.open_mut(link).and_then(|open| open.asks.want(stream, author, first, last));
        self.send_ask(link, ask, out);
    }

    fn forked(
        &mut self,
        link: LinkId,
        stream: StreamId,
        author: AuthorId,
        seq: u64,
        rivals: Vec<Entry>,
        out: &mut Vec<Effect>,
    ) {
        self.counters.one(counters::FORKS_PROVED);
        self.held.freeze(stream, author);
        out.push(Effect::Fork { stream, author, seq, rivals });
        if let Some(open) = self.open_mut(link) {
            let first = if stream.kind.family() == Family::Register { seq } else { 1 };
            open.push.show(stream, author, first);
        }
    }

    /// Entries are part of the commit under way: whoever may lack them is told.
    pub(crate) fn committed(
        &mut self,
        from: Option<LinkId>,
        entries: &[(EntryKey, Digest)],
        credentials: Vec<Credential>,
        out: &mut Vec<Effect>,
    ) {
        for credential in credentials {
            self.held.saved(credential);
        }
        let mut streams = BTreeSet::new();
        for (key, digest) in entries {
            if self.held.grew(key, *digest) {
                streams.insert(key.stream);
            }
        }
        if let Some(link) = from {
            self.admitted(link, out);
        }
        for (&link, state) in &mut self.links {
            for &stream in &streams {
                state.open.push.fell_behind(stream);
            }
            self.stirred.insert(link);
        }
    }

    /// The entries admitted from this link are committed.
    pub(crate) fn admitted(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        let current = self.open_mut(link).and_then(|open| open.inbox.current.as_ref());
        if current.is_some_and(|current| current.admitting) {
            self.dealt_with(link, out);
        }
    }

    /// Acknowledges the pack under way and turns to the next.
    fn dealt_with(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        let Some(current) = self.open_mut(link).and_then(|open| open.inbox.current.take()) else { return };
        let Some(state) = self.links.get_mut(&link) else { return };
        let mut others = Vec::new();
        for (place, &(author, last)) in current.runs.iter().enumerate() {
            let head = self.held.frontier().head(current.stream, author);
            if let Some(head) = head {
                state.open.told.share(current.stream, author, head.seq);
            }
            // The head itself tells best, unless the run ended before it.
            let taken = current.taken.contains(&author) && head.is_some_and(|head| head.seq >= last);
            if !taken {
                others.push((place as u16, head));
            }
        }
        out.push(send(link, Class::P0, FrameV1::Ack(Ack { pack: current.pack, others })));
        self.unpack_next(link, out);
    }
}
