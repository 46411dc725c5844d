//! Nodes that are no engines: enrolled devices in bad hands, each with one way of doing harm.

use ed25519_dalek::SigningKey;
use holdfast_domain::clock::Now;
use holdfast_domain::frame::{Carriage, LinkId, PackForm};
use holdfast_domain::identity::{AuthorId, DeviceCredential};
use holdfast_domain::limits::FRAME_BYTES_MAX;
use holdfast_domain::scope::{Class, Scope};
use holdfast_driver::effect::Effect;
use holdfast_driver::event::Event;

use crate::craft;

/// A way of doing harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malice {
    /// Connects and never says a word.
    Mute,
    /// Greets, takes everything and never says more.
    SlowLoris,
    /// Claims to hold far more than anybody wrote, and acknowledges what it never took.
    Liar,
    /// Sends bytes that are no frames.
    Garbage,
    /// Sends a frame over the limit.
    Oversize,
    /// Sends a small pack that unpacks to a very large one.
    Bomb,
    /// Sends an entry in the name of another author.
    Forger,
    /// Greets with a credential that it signed itself.
    Impostor,
}

impl Malice {
    /// Every way.
    pub const ALL: [Self; 8] = [
        Self::Mute,
        Self::SlowLoris,
        Self::Liar,
        Self::Garbage,
        Self::Oversize,
        Self::Bomb,
        Self::Forger,
        Self::Impostor,
    ];
}

/// A node in bad hands.
#[derive(Debug)]
pub(crate) struct Mallory {
    pub(crate) malice: Malice,
    pub(crate) key: SigningKey,
    pub(crate) device: DeviceCredential,
    /// In whose name it forges.
    pub(crate) victim: AuthorId,
}

impl Mallory {
    pub(crate) fn step(&self, now: Now, event: &Event) -> Vec<Effect> {
        let Event::Frame { link, bytes } = event else { return Vec::new() };
        let frames = match (craft::scopes_greeted(bytes), self.malice) {
            (_, Malice::Mute) => Vec::new(),
            (Some(scopes), _) => self.greeted(now, &scopes),
            (None, Malice::Liar) => craft::lie(bytes).into_iter().collect(),
            (None, _) => Vec::new(),
        };
        frames.into_iter().map(|bytes| send(*link, bytes)).collect()
    }

    fn greeted(&self, now: Now, scopes: &[Scope]) -> Vec<Vec<u8>> {
        let hello = |scopes: &[Scope]| craft::greeting(&self.device, scopes, now.wall_ms);
        let scope = scopes.last().copied().unwrap_or(Scope::Org);
        let pack = |author, form, payload| craft::forged_pack(scope, author, &self.key, form, payload);
        match self.malice {
            Malice::Mute => Vec::new(),
            Malice::SlowLoris => vec![hello(&[])],
            Malice::Liar => vec![hello(scopes)],
            Malice::Garbage => vec![hello(&[]), b"GET / HTTP/1.1\r\n\r\n".repeat(40)],
            Malice::Oversize => vec![hello(&[]), vec![0; FRAME_BYTES_MAX + 1]],
            Malice::Bomb => {
                let author = AuthorId::of(&self.device.key, 0);
                vec![hello(&[]), pack(author, PackForm::RawZstd, craft::bomb())]
            }
            Malice::Forger => vec![hello(&[]), pack(self.victim, PackForm::Raw, craft::nonsense())],
            Malice::Impostor => {
                let mut device = self.device.clone();
                "hub".clone_into(&mut device.name);
                vec![craft::greeting(&device, &[], now.wall_ms)]
            }
        }
    }
}

fn send(link: LinkId, bytes: Vec<u8>) -> Effect {
    Effect::Send { link, class: Class::P0, carriage: Carriage::Stream, bytes }
}
