//! Real engines that meet in memory: how data directories come about that many people wrote.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use holdfast_domain::clock::Now;
use holdfast_domain::edit::{Edit, Outcome};
use holdfast_domain::frame::LinkId;
use holdfast_domain::identity::{DeviceCredential, DeviceId, DeviceRole, PublicKey};
use holdfast_driver::data_dir::DataDir;
use holdfast_driver::effect::{Effect, Reply};
use holdfast_driver::engine::{Engine, EngineConfig};
use holdfast_driver::event::{Command, EditOptions, Event, Ticket};
use holdfast_store::store::Store;
use holdfast_transport::identity::{Authority, DeviceKey, Membership};

/// When made histories begin, Unix milliseconds: 2026-01-05 06:00 UTC.
const MORNING_MS: u64 = 1_767_592_800_000;
/// The network on which vehicles meet that stand beside each other, bits a second.
const YARD_BPS: u64 = 100_000_000;
/// How long two engines stay together after they agree, steps of a second: so long that each has said what it holds.
const REST_TICKS: usize = 30;
/// How long two engines may go on talking after they had nothing left to say, steps of a second.
const QUIET_TICKS_MAX: usize = 200;

/// An org whose devices are made here.
pub(crate) struct Org {
    home: PathBuf,
    authority: Authority,
    authority_key: PublicKey,
    mono_us: u64,
    links: u64,
}

/// A device of the org.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) dir: PathBuf,
    key: DeviceKey,
    pub(crate) credential: DeviceCredential,
}

impl Org {
    /// Founds an org whose hub lies at `home/hub`.
    pub(crate) fn found(home: &Path) -> Result<Self> {
        let dir = DataDir::new(home.join("hub"));
        holdfast_driver::data_dir::found(&dir, "hub")?;
        let authority = Authority::load(&dir.authority())?;
        let authority_key = authority.public();
        Ok(Self { home: home.to_owned(), authority, authority_key, mono_us: 0, links: 0 })
    }

    /// A device with a data directory at `home/name` that is enrolled and holds nothing.
    pub(crate) fn enrol(&self, name: &str) -> Result<Device> {
        let dir = DataDir::new(self.home.join(name));
        dir.create()?;
        let key = DeviceKey::load_or_create(&dir.device_key())?;
        let credential = self.authority.vouch(&key.public(), name, DeviceRole::Node, MORNING_MS);
        self.authority.admit(&key.public(), credential.clone())?.save(&dir.membership())?;
        Ok(Device { dir: dir.path().to_owned(), key, credential })
    }

    /// The founder of the org; its data directory is at `home/hub`.
    pub(crate) fn hub(&self) -> Result<Device> {
        let dir = DataDir::new(self.home.join("hub"));
        let key = DeviceKey::load(&dir.device_key())?;
        let credential = Membership::load(&dir.membership(), &key)?.credential;
        Ok(Device { dir: dir.path().to_owned(), key, credential })
    }

    /// The time of the history, after so many more milliseconds.
    fn now(&mut self, later_ms: u64) -> Now {
        self.mono_us += later_ms * 1_000;
        Now { mono_us: self.mono_us, wall_ms: MORNING_MS + self.mono_us / 1_000 }
    }

    /// A device's engine on a store.
    pub(crate) fn open(&mut self, device: &Device, store: Store) -> Result<Engine> {
        self.links += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.links.to_le_bytes());
        seed[8..24].copy_from_slice(&device.credential.device().0);
        let config = EngineConfig {
            key: device.key.signing(),
            device: device.credential.clone(),
            authority_key: self.authority_key,
            authority: None,
            seed,
            floor_ms: 0,
            retention: holdfast_driver::retention::Retention::default(),
            blobs: holdfast_driver::blobs::BlobConfig::default(),
        };
        let now = self.now(1);
        Ok(Engine::open(store, config, now)?)
    }

    /// A device's engine on the database in its data directory.
    pub(crate) fn open_on_disk(&mut self, device: &Device) -> Result<Engine> {
        let store = Store::open(&DataDir::new(&device.dir).database())?;
        self.open(device, store)
    }

    /// Makes edits in one gesture, `later_ms` after what went before.
    pub(crate) fn gesture(&mut self, engine: &mut Engine, edits: Vec<Edit>, later_ms: u64) -> Result<Vec<Outcome>> {
        let now = self.now(later_ms);
        let command = Command::Edit { edits, options: EditOptions::default() };
        for effect in engine.step(now, vec![Event::Command(Ticket(1), command)]) {
            if let Effect::Reply(_, Reply::Edited(outcomes)) = effect {
                return Ok(outcomes?.into_iter().collect::<Result<_, _>>()?);
            }
        }
        anyhow::bail!("the engine gave no answer to an edit")
    }

    /// Lets two engines talk until they hold the same. Gives the bytes of all frames.
    pub(crate) fn meet(&mut self, engines: [(&mut Engine, &Device); 2]) -> Result<u64> {
        let mut talk = self.begin(engines)?;
        self.settle(&mut talk)?;
        self.end(&mut talk)?;
        Ok(talk.bytes[0] + talk.bytes[1])
    }

    /// Lets two engines meet and stay together for a while, so that they remember each other. Gives the bytes of the frames
    /// of each side: next to nothing if they remembered each other before.
    pub(crate) fn greet(&mut self, engines: [(&mut Engine, &Device); 2]) -> Result<[u64; 2]> {
        let mut talk = self.begin(engines)?;
        self.settle(&mut talk)?;
        self.rest(&mut talk)?;
        self.end(&mut talk)?;
        Ok(talk.bytes)
    }

    /// Some seconds in which two engines that agree say the last of what they have to say.
    fn rest(&mut self, talk: &mut Talk<'_>) -> Result<()> {
        for _ in 0..REST_TICKS {
            for end in 0..2 {
                talk.step(self.now(1_000), end, vec![Event::Tick])?;
            }
            self.drain(talk)?;
        }
        Ok(())
    }

    fn drain(&mut self, talk: &mut Talk<'_>) -> Result<()> {
        let link = talk.link;
        while talk.queue.iter().any(|frames| !frames.is_empty()) {
            for end in 0..2 {
                let frames = std::mem::take(&mut talk.queue[end]);
                let events: Vec<Event> = frames.into_iter().map(|bytes| Event::Frame { link, bytes }).collect();
                talk.step(self.now(1), end, events)?;
            }
        }
        Ok(())
    }

    /// Lets two engines meet; then the first makes edits in one gesture. Gives the bytes of the frames it sends for them.
    pub(crate) fn push(&mut self, engines: [(&mut Engine, &Device); 2], edits: Vec<Edit>) -> Result<u64> {
        let mut talk = self.begin(engines)?;
        self.settle(&mut talk)?;
        let before = talk.bytes[0];
        let command = Command::Edit { edits, options: EditOptions::default() };
        talk.step(self.now(1_000), 0, vec![Event::Command(Ticket(1), command)])?;
        self.settle(&mut talk)?;
        self.end(&mut talk)?;
        Ok(talk.bytes[0] - before)
    }

    fn begin<'a>(&mut self, engines: [(&'a mut Engine, &Device); 2]) -> Result<Talk<'a>> {
        let [(left, left_device), (right, right_device)] = engines;
        self.links += 1;
        let link = LinkId(self.links);
        let devices = [left_device.credential.device(), right_device.credential.device()];
        let mut talk = Talk { link, engines: [left, right], queue: [Vec::new(), Vec::new()], bytes: [0; 2] };
        for end in 0..2 {
            let up = up(link, devices[1 - end], end == 0);
            // They stand on one yard and meet on its network.
            let measured = Event::Measured { link, rate_bps: Some(YARD_BPS), rtt_us: 1_000, lost_permille: 0 };
            talk.step(self.now(1), end, vec![up, measured])?;
        }
        Ok(talk)
    }

    fn settle(&mut self, talk: &mut Talk<'_>) -> Result<()> {
        for _ in 0..QUIET_TICKS_MAX {
            self.drain(talk)?;
            if talk.engines[0].frontier() == talk.engines[1].frontier() {
                break;
            }
            for end in 0..2 {
                talk.step(self.now(1_000), end, vec![Event::Tick])?;
            }
        }
        ensure!(talk.engines[0].frontier() == talk.engines[1].frontier(), "two engines did not come to agree");
        Ok(())
    }

    fn end(&mut self, talk: &mut Talk<'_>) -> Result<()> {
        let link = talk.link;
        for end in 0..2 {
            talk.step(self.now(1), end, vec![Event::Down { link, partials: Vec::new() }])?;
        }
        Ok(())
    }
}

fn up(link: LinkId, device: DeviceId, outgoing: bool) -> Event {
    Event::Up { link, device, address: "in memory".to_owned(), outgoing }
}

struct Talk<'a> {
    link: LinkId,
    engines: [&'a mut Engine; 2],
    queue: [Vec<Vec<u8>>; 2],
    /// Bytes of frames by who sent them.
    bytes: [u64; 2],
}

impl Talk<'_> {
    fn step(&mut self, now: Now, end: usize, events: Vec<Event>) -> Result<()> {
        for effect in self.engines[end].step(now, events) {
            match effect {
                Effect::Send { link, bytes, .. } if link == self.link => {
                    self.bytes[end] += bytes.len() as u64;
                    self.queue[1 - end].push(bytes);
                }
                Effect::Close { reason, .. } => anyhow::bail!("an engine closed its link: {reason:?}"),
                Effect::Fatal(fault) => return Err(anyhow::anyhow!(fault)).context("an engine cannot go on"),
                _ => {}
            }
        }
        Ok(())
    }
}
