//! The one async loop: links, commands and time go into the engine, its effects go out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::clock::Now;
use holdfast_domain::frame::{Bye, Carriage, Frame, LinkId};
use holdfast_domain::limits::{COMMAND_QUEUE_MAX, STEP_EVENTS_MAX};
use holdfast_domain::scope::Class;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;
use holdfast_transport::endpoint::{LinkEvent, Transport, TransportConfig};
use holdfast_transport::enrolment::{self, EnrolGrant, EnrolRefusal, EnrolRequest};
use holdfast_transport::error::TransportError;
use holdfast_transport::identity::{Authority, DeviceKey, Membership};
use holdfast_transport::peers::PeerAddress;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::authority::Enrolled;
use crate::blobs::BlobConfig;
use crate::clock::SystemClock;
use crate::config::{BadSetting, NodeConfig};
use crate::crowd::Crowd;
use crate::data_dir::DataDir;
use crate::effect::{Effect, Reply};
use crate::engine::{Engine, EngineConfig};
use crate::event::{Command, Event, Ticket};
use crate::handle::{Handle, Readers, Request};
use crate::notices::Notices;
use crate::offline::parcel_reader;
use crate::reach;
use crate::retention::Retention;

/// Why a node does not start. Nothing was changed, save where the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is an org here already.
    #[error("{} already belongs to an org; choose another --data directory to begin afresh", .dir.display())]
    AlreadyMember {
        /// The data directory.
        dir: PathBuf,
    },
    /// No org here yet.
    #[error("{} belongs to no org yet; found one with `init`, or join one with `enroll TOKEN`", .dir.display())]
    NotMember {
        /// The data directory.
        dir: PathBuf,
    },
    /// The data directory cannot be made or written.
    #[error("the data directory {} cannot be written; check that it exists, its owner and its free space", .dir.display())]
    DataDir {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The name cannot stand.
    #[error(transparent)]
    Name(#[from] holdfast_domain::refusal::Refusal),
    /// A setting.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// Keys, certificates, addresses.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// A running node.
pub struct Running {
    /// What faces hold.
    pub handle: Handle,
    /// Where peers reach it.
    pub peer_address: SocketAddr,
    /// Where newcomers enrol, on a node that holds the authority.
    pub enrol_address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    engine: JoinHandle<Result<(), String>>,
}

impl Running {
    /// Stops: says goodbye to peers, closes the database.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Err(error) = (&mut self.engine).await {
            tracing::error!(%error, "the engine did not end well");
        }
    }

    /// Waits until the engine ends by itself, which it only does when the store fails for good.
    pub async fn ended(&mut self) -> String {
        match (&mut self.engine).await {
            Ok(Err(fault)) => fault,
            Ok(Ok(())) => "the engine was stopped".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

/// Starts a node on its data directory. Needs a multi-threaded runtime: a commit blocks its thread until it is on disk.
#[expect(clippy::unused_async, reason = "it must be called within the runtime that the node runs on")]
pub async fn start(dir: &DataDir, config: NodeConfig) -> Result<Running, StartError> {
    let (key, membership) = member(dir)?;
    let authority = dir.authority().exists().then(|| Authority::load(&dir.authority())).transpose()?;
    let clock = SystemClock::start();
    let settings = (config.retention.clone(), config.blobs()?);
    let mut engine = open_engine(dir, &key, &membership, authority.clone(), settings, clock.now())?;
    let (transport, links) = Transport::bind(transport_config(dir, &config, &engine)?, &key, &membership)?;
    engine.whereabouts()?.into_iter().for_each(|whereabouts| transport.learn(whereabouts));
    let peer_address = transport.local_addr();
    let mut enrol_requests = None;
    let mut enrol_address = None;
    if authority.is_some() {
        let (address, requests) = enrolment::serve(config.enrol_listen, &key, &membership, transport.door())?;
        enrol_address = Some(address);
        enrol_requests = Some(requests);
    }
    let (commands, requests) = mpsc::channel(COMMAND_QUEUE_MAX);
    let (changed, changes) = watch::channel(engine.store().newest_rev());
    let handle = Handle {
        commands,
        changes,
        readers: Arc::new(Readers::new(dir.database())),
        transport: transport.clone(),
        enrol_address: enrol_address
            .map(|address| config.enrol_advertise.clone().unwrap_or_else(|| address.to_string())),
        authority: authority.as_ref().map(Authority::public),
        parcels: Arc::new(parcel_reader(dir)?),
        blob_room: engine.store().blob_room().clone(),
    };
    let (stop, stopped) = oneshot::channel();
    let node = Loop {
        engine,
        clock,
        transport,
        changed,
        replies: BTreeMap::new(),
        tickets: 0,
        authority,
        peer_hint: config.peer_advertise.clone().unwrap_or_else(|| peer_address.to_string()),
        peer_advertise: config.peer_advertise,
        told_addresses: None,
        crowd: Crowd::default(),
        told: Notices::default(),
    };
    let engine = tokio::spawn(node.run(links, requests, enrol_requests, stopped));
    Ok(Running { handle, peer_address, enrol_address, stop: Some(stop), engine })
}

/// The device's key, and what it holds of its org.
pub(crate) fn member(dir: &DataDir) -> Result<(DeviceKey, Membership), StartError> {
    if !dir.membership().exists() {
        return Err(StartError::NotMember { dir: dir.path().to_owned() });
    }
    let key = DeviceKey::load(&dir.device_key())?;
    let membership = Membership::load(&dir.membership(), &key)?;
    Ok((key, membership))
}

/// Opens the database of a data directory; nobody else can while it is open.
pub(crate) fn open_engine(
    dir: &DataDir,
    key: &DeviceKey,
    membership: &Membership,
    authority: Option<Authority>,
    (retention, blobs): (Retention, BlobConfig),
    now: Now,
) -> Result<Engine, StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(StartError::Randomness)?;
    let config = EngineConfig {
        key: key.signing(),
        device: membership.credential.clone(),
        authority_key: membership.authority,
        authority,
        seed,
        floor_ms: membership.credential.issued_ms,
        retention,
        blobs,
    };
    Ok(Engine::open(Store::open(&dir.database())?, config, now)?)
}

fn transport_config(dir: &DataDir, config: &NodeConfig, engine: &Engine) -> Result<TransportConfig, StartError> {
    config.check()?;
    let mut peers = config.peer_addresses()?;
    let learned = std::fs::read_to_string(dir.peers()).unwrap_or_default();
    for line in learned.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.parse() {
            // What the settings say of a peer counts.
            Ok(PeerAddress { host_port, .. }) if peers.iter().any(|peer| peer.host_port == host_port) => {}
            Ok(peer) => peers.push(peer),
            Err(error) => tracing::warn!(%error, "a line of {} is passed over", dir.peers().display()),
        }
    }
    Ok(TransportConfig {
        listen: config.peer_listen,
        peers,
        mdns: config.mdns.then(|| config.mdns_interfaces.clone()),
        clock_floor_ms: engine.clock_floor_ms(),
        profile: config.profile()?,
        ceiling_bps: config.link_ceiling_bps,
    })
}

/// Where the answer to a command goes.
enum Asker {
    Face(oneshot::Sender<Reply>),
    Newcomer(oneshot::Sender<Result<EnrolGrant, EnrolRefusal>>, holdfast_domain::identity::PublicKey),
}

struct Loop {
    engine: Engine,
    clock: SystemClock,
    transport: Transport,
    changed: watch::Sender<u64>,
    replies: BTreeMap<Ticket, Asker>,
    tickets: u64,
    authority: Option<Authority>,
    peer_hint: String,
    /// `host:port` that the settings give to others.
    peer_advertise: Option<String>,
    told_addresses: Option<std::time::Instant>,
    crowd: Crowd,
    told: Notices,
}

/// What one step says on streams.
type Frames = BTreeMap<(LinkId, Class), Vec<Vec<u8>>>;

/// How often it is looked whether this node is reached elsewhere than before.
const TELL_ADDRESSES_EVERY: Duration = Duration::from_secs(5);
/// How often the engine hears of passing time: for housekeeping only, no protocol timer hangs on it.
const TICK: Duration = Duration::from_secs(1);

impl Loop {
    async fn run(
        mut self,
        mut links: mpsc::Receiver<LinkEvent>,
        mut requests: mpsc::Receiver<Request>,
        mut enrolments: Option<mpsc::Receiver<EnrolRequest>>,
        mut stopped: oneshot::Receiver<()>,
    ) -> Result<(), String> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let first = tokio::select! {
                _ = &mut stopped => break,
                Some(link) = links.recv() => link_event(link),
                Some(request) = requests.recv() => self.request(request),
                Some(newcomer) = next_of(&mut enrolments) => self.newcomer(newcomer),
                _ = tick.tick() => Event::Tick,
            };
            let mut events = vec![first];
            while events.len() < STEP_EVENTS_MAX {
                // Commands first: a face waits for its fsync, while frames wait in the peer's window at worst.
                if let Ok(request) = requests.try_recv() {
                    events.push(self.request(request));
                } else if let Ok(link) = links.try_recv() {
                    events.push(link_event(link));
                } else {
                    break;
                }
            }
            let room = STEP_EVENTS_MAX.saturating_sub(events.len());
            for request in self.crowd.gather(&mut requests, room).await {
                events.push(self.request(request));
            }
            self.crowd.was(events.iter().filter(|event| matches!(event, Event::Command(..))).count());
            if matches!(events.as_slice(), [Event::Tick, ..]) {
                events.extend(self.reachable());
            }
            let now = self.clock.now();
            let effects = tokio::task::block_in_place(|| self.engine.step(now, events));
            let mut frames = Frames::new();
            let obeyed = effects.into_iter().try_for_each(|effect| self.obey(effect, &mut frames));
            self.hand_down(frames);
            obeyed?;
        }
        self.transport.shutdown().await;
        Ok(())
    }

    /// Where this node is reached, now and then: interfaces come and go.
    fn reachable(&mut self) -> Option<Event> {
        let due = self.told_addresses.is_none_or(|told| told.elapsed() >= TELL_ADDRESSES_EVERY);
        if !due {
            return None;
        }
        self.told_addresses = Some(std::time::Instant::now());
        let local = self.transport.local_addr();
        let addresses = reach::addresses_of(self.peer_advertise.as_deref(), local, &reach::interfaces());
        self.tickets += 1;
        Some(Event::Command(Ticket(self.tickets), Command::Reachable(addresses)))
    }

    fn ticket(&mut self, asker: Asker) -> Ticket {
        self.tickets += 1;
        self.replies.insert(Ticket(self.tickets), asker);
        Ticket(self.tickets)
    }

    fn request(&mut self, (command, reply): Request) -> Event {
        Event::Command(self.ticket(Asker::Face(reply)), command)
    }

    fn newcomer(&mut self, request: EnrolRequest) -> Event {
        let EnrolRequest { secret_hash, device, reply } = request;
        Event::Command(self.ticket(Asker::Newcomer(reply, device)), Command::Enrol { secret_hash, key: device })
    }

    /// Hands down what one step says, so that small words share packets.
    fn hand_down(&self, frames: Frames) {
        for ((link, class), frames) in frames {
            if self.transport.send_all(link, class, frames).is_err() {
                tracing::warn!(link = link.0, "a peer does not take what is sent; its session begins again");
                self.transport.close(link, Bye::Slow);
            }
        }
    }

    /// Frames for streams are only gathered.
    fn obey(&mut self, effect: Effect, frames: &mut Frames) -> Result<(), String> {
        if let Effect::Send { link, class, bytes, .. } = &effect {
            tracing::trace!(link = link.0, ?class, bytes = bytes.len(), frame = Frame::kind_of(bytes), "frame sent");
        }
        match effect {
            Effect::Reply(ticket, reply) => self.reply(ticket, reply),
            Effect::Send { link, carriage: Carriage::Packet, bytes, .. } => {
                // One that finds no room is lost like any other.
                self.transport.send_newest(link, bytes).ok();
            }
            Effect::Send { link, class, bytes, .. } => frames.entry((link, class)).or_default().push(bytes),
            Effect::Close { link, reason } => {
                self.hand_down(std::mem::take(frames));
                self.transport.close(link, reason);
            }
            Effect::Learned(whereabouts) => self.transport.learn(whereabouts),
            Effect::Changed(rev) => {
                self.changed.send_replace(rev);
            }
            Effect::Notice(notice) => self.told.tell(std::time::Instant::now(), &notice),
            Effect::Fatal(fault) => {
                tracing::error!(fault, "the store cannot be read any more; the node stops");
                return Err(fault);
            }
        }
        Ok(())
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        // An asker that has gone away needs no answer.
        match (self.replies.remove(&ticket), reply) {
            (Some(Asker::Face(face)), reply) => drop(face.send(reply)),
            (Some(Asker::Newcomer(newcomer, key)), Reply::Enrolled(Enrolled::Granted(device))) => {
                let grant = match &self.authority {
                    Some(authority) => authority
                        .admit(&key, *device)
                        .map(|membership| EnrolGrant { membership, peer: Some(self.peer_hint.clone()) })
                        .map_err(|_| EnrolRefusal::Busy),
                    None => Err(EnrolRefusal::Busy),
                };
                drop(newcomer.send(grant));
            }
            (Some(Asker::Newcomer(newcomer, _)), Reply::Enrolled(Enrolled::UnknownUsedOrExpired)) => {
                drop(newcomer.send(Err(EnrolRefusal::UnknownUsedOrExpired)));
            }
            (Some(Asker::Newcomer(newcomer, _)), _) => drop(newcomer.send(Err(EnrolRefusal::Busy))),
            (None, _) => {}
        }
    }
}

async fn next_of(enrolments: &mut Option<mpsc::Receiver<EnrolRequest>>) -> Option<EnrolRequest> {
    match enrolments {
        Some(requests) => requests.recv().await,
        None => std::future::pending().await,
    }
}

fn link_event(event: LinkEvent) -> Event {
    match event {
        LinkEvent::Up { link, device, address, outgoing } => {
            tracing::info!(link = link.0, %device, %address, outgoing, "connected");
            Event::Up { link, device, address: address.to_string(), outgoing }
        }
        LinkEvent::Frame { link, bytes } => Event::Frame { link, bytes },
        LinkEvent::Measured { link, rate_bps, rtt_us, lost_permille } => {
            Event::Measured { link, rate_bps, rtt_us, lost_permille }
        }
        LinkEvent::Silent { link, silent } => Event::Silent { link, silent },
        LinkEvent::Down { link, reason, partials } => {
            tracing::info!(link = link.0, reason, "disconnected");
            Event::Down { link, partials }
        }
    }
}
