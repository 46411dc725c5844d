//! Forged, altered, renumbered, replayed and truncated packs change nothing; the guilty link is closed.

use holdfast_domain::entry::{Entry, ShortDigest, Signature};
use holdfast_domain::frame::{
    Ask, Bye, Flow, Frame, FrameV1, Greeting, Heads, LinkId, Pack, PackForm, PackRange, capability,
};
use holdfast_domain::frontier::{Fingerprint, Head, Mark};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::ASKS_SENT_MAX;
use holdfast_domain::scope::{StreamId, StreamKind};
use holdfast_protocol::protocol::Input;

use crate::node::{Node, Outward, pack_raw};
use crate::org::{self, board, stream};

/// A peer whose every word is written by the test.
pub(crate) struct Puppet {
    link: LinkId,
    number: u8,
    packs: u32,
    /// What the node under test said to it.
    pub(crate) heard: Vec<FrameV1>,
}

impl Puppet {
    /// A link that is up, without a greeting.
    pub(crate) fn connect(victim: &mut Node, number: u8) -> Self {
        let link = LinkId(1_000 + u64::from(number));
        let mut puppet = Self { link, number, packs: 0, heard: Vec::new() };
        let out = victim.say(Input::Up { link, device: org::device(number), outgoing: false });
        puppet.hear(out);
        puppet
    }

    /// A session in which the puppet names no scope.
    pub(crate) fn greet(victim: &mut Node, number: u8) -> Self {
        Self::greet_with(victim, number, Vec::new())
    }

    pub(crate) fn greet_with(
        victim: &mut Node,
        number: u8,
        scopes: Vec<(holdfast_domain::scope::Scope, Fingerprint)>,
    ) -> Self {
        let mut puppet = Self::connect(victim, number);
        let greeting = greeting(number, scopes);
        puppet.say(victim, FrameV1::Greeting(greeting));
        puppet
    }

    pub(crate) fn bytes(&mut self, victim: &mut Node, bytes: Vec<u8>) -> Vec<Outward> {
        let out = victim.say(Input::Frame { link: self.link, bytes });
        self.hear(out.clone());
        out
    }

    /// Gives all that the victim sends, to whomever.
    pub(crate) fn say(&mut self, victim: &mut Node, frame: FrameV1) -> Vec<Outward> {
        self.bytes(victim, Frame::V1(frame).encode())
    }

    pub(crate) fn ask(&mut self, victim: &mut Node, stream: StreamId, author: AuthorId, first: u64) {
        self.say(victim, FrameV1::Ask(Ask { stream, author, first }));
    }

    pub(crate) fn heads(&mut self, victim: &mut Node, stream: StreamId, author: AuthorId, head: Head) {
        let heads =
            Heads { scope: stream.scope, heads: vec![(stream.kind, vec![(author, head)])], whole: Some(Mark([1; 8])) };
        self.say(victim, FrameV1::Heads(heads));
    }

    /// Sends an honest pack of one author's entries, bent by `bend`.
    pub(crate) fn pack(&mut self, victim: &mut Node, entries: &[Entry], bend: impl FnOnce(&mut Pack)) -> Vec<Outward> {
        self.packs += 1;
        let mut pack = honest(self.packs, entries, ShortDigest([0; 8]));
        bend(&mut pack);
        self.say(victim, FrameV1::Pack(pack))
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    pub(crate) fn hear(&mut self, out: Vec<Outward>) {
        for effect in out {
            if let Outward::Send(link, _, bytes) = effect
                && link == self.link
                && let Ok(Frame::V1(frame)) = Frame::decode(&bytes)
            {
                self.heard.push(frame);
            }
        }
    }

    pub(crate) fn asked(&self) -> Vec<u64> {
        let ask = |frame: &FrameV1| if let FrameV1::Ask(ask) = frame { Some(ask.first) } else { None };
        self.heard.iter().filter_map(ask).collect()
    }

    pub(crate) fn packs(&self) -> Vec<&Pack> {
        let mut packs = Vec::new();
        for frame in &self.heard {
            if let FrameV1::Pack(pack) = frame {
                packs.push(pack);
            }
        }
        packs
    }

    pub(crate) fn acks(&self) -> usize {
        self.heard.iter().filter(|frame| matches!(frame, FrameV1::Ack(_))).count()
    }
}

/// What a device says first; it holds something if it names scopes.
pub(crate) fn greeting(number: u8, scopes: Vec<(holdfast_domain::scope::Scope, Fingerprint)>) -> Greeting {
    let credential = org::credential(number, 0);
    Greeting {
        org: org::org(),
        author: credential.author(),
        credential: Some(credential),
        capabilities: capability::BLOBS,
        wall_ms: 0,
        whole: Fingerprint([u8::from(!scopes.is_empty()); 16]),
        latest: Mark([0; 8]),
        base: None,
        scopes,
        partials: Vec::new(),
        flow: Flow::Eager,
    }
}

/// A payload with these bodies.
fn raw(bodies: &[&str]) -> Vec<u8> {
    postcard::to_stdvec(bodies).expect("bodies in memory always encode")
}

fn honest(id: u32, entries: &[Entry], base: ShortDigest) -> Pack {
    let signatures = entries.iter().enumerate();
    let range = PackRange {
        author: entries[0].key.author,
        first: entries[0].key.seq,
        count: entries.len() as u32,
        skips: Vec::new(),
        base,
        signatures: signatures.filter_map(|(at, entry)| Some((at as u32, entry.signature?))).collect(),
    };
    let payload = pack_raw(entries);
    let stream = entries[0].key.stream;
    Pack { id, stream, credentials: Vec::new(), ranges: vec![range], form: PackForm::Raw, payload }
}

/// A node that holds two entries of device 9, and that device's puppet.
fn met() -> (Node, Puppet, Vec<Entry>) {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::greet(&mut victim, 9);
    let entries = org::chain(9, board(), None, &["one", "two"]);
    puppet.pack(&mut victim, &entries, |_| ());
    assert_eq!((victim.bodies(board(), 9).len(), puppet.acks()), (2, 1));
    (victim, puppet, entries)
}

fn check(bend: impl FnOnce(&mut Pack), reason: Bye) {
    let (mut victim, mut puppet, held) = met();
    let (store, frontier) = (victim.store.clone(), victim.protocol.frontier().clone());
    let more = org::chain(9, board(), held.last(), &["three", "four"]);
    puppet.pack(&mut victim, &more, |pack| {
        pack.ranges[0].base = held[1].digest.short();
        bend(pack);
    });
    assert_eq!(victim.told.closed, [reason]);
    assert_eq!((&victim.store, victim.protocol.frontier()), (&store, &frontier));
    assert_eq!(victim.protocol.links().count(), 0);
    assert_eq!(victim.counter("packs_rejected"), 1);
    assert_eq!(puppet.heard.last(), Some(&FrameV1::Bye(reason)));
}

#[test]
fn an_altered_body_is_not_admitted() {
    check(|pack| pack.payload = raw(&["three", "fOur"]), Bye::BadSignature);
}

#[test]
fn a_forged_signature_is_not_admitted() {
    check(|pack| pack.ranges[0].signatures[0].1 = Signature([7; 64]), Bye::BadSignature);
}

#[test]
fn an_intermediate_signature_that_does_not_hold_is_guilt_too() {
    check(|pack| pack.ranges[0].signatures.insert(0, (0, Signature([7; 64]))), Bye::BadSignature);
}

#[test]
fn a_chain_sent_as_another_streams_is_not_admitted() {
    check(
        |pack| {
            pack.stream.kind = StreamKind::Roster;
            pack.ranges[0].first = 1;
            pack.ranges[0].base = ShortDigest([0; 8]);
        },
        Bye::BadSignature,
    );
}

#[test]
fn a_chain_sent_under_another_authors_name_is_not_admitted() {
    check(
        |pack| {
            let other = org::credential(8, 0);
            pack.ranges[0].author = other.author();
            pack.ranges[0].first = 1;
            pack.ranges[0].base = ShortDigest([0; 8]);
            pack.credentials.push(other);
        },
        Bye::BadSignature,
    );
}

#[test]
fn one_forged_run_condemns_the_honest_ones_beside_it() {
    check(
        |pack| {
            let other = org::chain(8, board(), None, &["five"]);
            let mut range = honest(0, &other, ShortDigest([0; 8])).ranges.remove(0);
            range.signatures[0].1 = Signature([7; 64]);
            pack.ranges.push(range);
            pack.credentials.push(org::credential(8, 0));
            pack.payload = raw(&["three", "four", "five"]);
        },
        Bye::BadSignature,
    );
}

#[test]
fn a_credential_the_authority_did_not_sign_is_guilt() {
    check(
        |pack| {
            let forged = org::credential_by(&org::key(77), 8, 0);
            pack.ranges.push(PackRange { author: forged.author(), first: 1, ..pack.ranges[0].clone() });
            pack.ranges[1].base = ShortDigest([0; 8]);
            pack.credentials.push(forged);
            pack.payload = raw(&["three", "four", "five", "six"]);
        },
        Bye::BadCredential,
    );
}

#[test]
fn misshapen_packs_are_not_even_unpacked() {
    type Bend = Box<dyn FnOnce(&mut Pack)>;
    let bends: Vec<Bend> = vec![
        Box::new(|pack| pack.ranges.clear()),
        Box::new(|pack| pack.ranges[0].count = 0),
        Box::new(|pack| pack.ranges[0].count = u32::MAX),
        Box::new(|pack| pack.ranges[0].first = 0),
        Box::new(|pack| pack.ranges[0].first = u64::MAX),
        Box::new(|pack| pack.ranges[0].skips = vec![0]),
        Box::new(|pack| pack.ranges[0].signatures.clear()),
        Box::new(|pack| pack.ranges[0].signatures[0].0 = 0),
        Box::new(|pack| pack.ranges[0].signatures.push((9, Signature([0; 64])))),
        Box::new(|pack| pack.ranges[0].signatures.insert(0, (1, Signature([0; 64])))),
        Box::new(|pack| pack.ranges.push(pack.ranges[0].clone())),
        Box::new(|pack| pack.credentials.push(org::credential(8, 0))),
        Box::new(|pack| pack.form = PackForm::Bundle),
        Box::new(|pack| pack.payload.clear()),
        Box::new(|pack| pack.payload.truncate(5)),
        Box::new(|pack| pack.payload = raw(&["three"])),
        Box::new(|pack| pack.payload = raw(&["three", &"x".repeat(600_000)])),
        Box::new(|pack| {
            pack.ranges[0].count = 502;
            pack.ranges[0].signatures[0].0 = 501;
            pack.payload = raw(&["x"; 502]);
        }),
    ];
    for bend in bends {
        check(bend, Bye::BadFrame);
    }
}

#[test]
fn a_replayed_pack_is_a_duplicate_and_still_acknowledged() {
    let (mut victim, mut puppet, held) = met();
    puppet.pack(&mut victim, &held, |_| ());
    assert_eq!((victim.told.admits, puppet.acks()), (1, 2));
    assert_eq!((victim.counter("entries_received"), victim.counter("entries_duplicate")), (4, 2));
    assert!(victim.told.closed.is_empty());
}

#[test]
fn a_pack_that_overlaps_what_is_held_adds_only_the_rest() {
    let (mut victim, mut puppet, held) = met();
    let more = org::chain(9, board(), held.last(), &["three"]);
    puppet.pack(&mut victim, &[&held[..], &more].concat(), |_| ());
    assert_eq!(victim.bodies(board(), 9), ["one", "two", "three"]);
}

#[test]
fn a_renumbered_run_is_a_gap_that_is_asked_for_and_nothing_more() {
    let (mut victim, mut puppet, held) = met();
    let more = org::chain(9, board(), held.last(), &["three"]);
    puppet.pack(&mut victim, &more, |pack| {
        pack.ranges[0].first = 5;
        pack.ranges[0].base = ShortDigest([5; 8]);
    });
    assert_eq!(victim.bodies(board(), 9), ["one", "two"]);
    assert_eq!((puppet.asked(), puppet.acks()), (vec![3], 2));
    puppet.pack(&mut victim, &more, |pack| pack.ranges[0].base = held[1].digest.short());
    assert_eq!(victim.bodies(board(), 9), ["one", "two", "three"]);
}

#[test]
fn runs_of_unknown_authors_are_left_out_and_the_rest_is_taken() {
    let (mut victim, mut puppet, held) = met();
    let (more, other) = (org::chain(9, board(), held.last(), &["three"]), org::chain(8, board(), None, &["x"]));
    puppet.pack(&mut victim, &more, |pack| {
        pack.ranges[0].base = held[1].digest.short();
        pack.ranges.push(honest(0, &other, ShortDigest([0; 8])).ranges.remove(0));
        pack.payload = raw(&["three", "x"]);
    });
    assert_eq!(victim.bodies(board(), 9), ["one", "two", "three"]);
    assert_eq!(victim.counter("runs_of_unknown_authors"), 1);
    assert!(victim.bodies(board(), 8).is_empty());
    assert_eq!(puppet.number(), 9);
}

#[test]
fn a_register_entry_that_is_not_signed_by_its_author_is_guilt() {
    let latest = stream(StreamKind::Latest);
    let mut victim = Node::new(1);
    let mut puppet = Puppet::greet(&mut victim, 9);
    let good = org::chain(9, latest, None, &["a1"]);
    puppet.pack(&mut victim, &good, |_| ());
    assert_eq!(victim.bodies(latest, 9), ["a1"]);
    puppet.pack(&mut victim, &good, |pack| pack.ranges[0].first = 2);
    assert_eq!(victim.told.closed, [Bye::BadSignature]);
    assert_eq!(victim.bodies(latest, 9), ["a1"]);
}

#[test]
fn many_gaps_are_asked_for_a_few_at_a_time() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::greet(&mut victim, 9);
    let whole = |number: u8| org::chain(number, board(), None, &["one", "two"]);
    for number in 20..60 {
        puppet.pack(&mut victim, &whole(number)[1..], |pack| {
            pack.ranges[0].base = ShortDigest([1; 8]);
            pack.credentials.push(org::credential(number, 0));
        });
    }
    assert_eq!(puppet.asked().len(), ASKS_SENT_MAX);
    for number in 20..60 {
        puppet.pack(&mut victim, &whole(number), |_| ());
    }
    assert_eq!(puppet.asked().len(), 40, "each answer lets the next question out");
    assert!((20..60).all(|number| victim.bodies(board(), number).len() == 2));
}
