//! The endpoint: accepts and dials peers, hands frames in and out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_domain::frame::{Bye, LinkId};
use holdfast_domain::identity::DeviceId;
use holdfast_domain::limits::{DEVICE_LINKS_MAX, LINK_EVENTS_MAX, LINKS_MAX};
use holdfast_domain::scope::Class;
use quinn::{Connection, Endpoint, Incoming, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};

use crate::arrivals::{Arrivals, HANDSHAKE_MAX};
use crate::door::hush::Hush;
use crate::door::ids::Port;
use crate::door::{Door, Misuse, Opener};
use crate::error::TransportError;
use crate::identity::{DeviceKey, Membership, certified_key, is_in_force};
use crate::inbox::{self, End};
use crate::learned::{self, Learned, Whereabouts};
use crate::link::{Outbox, Slow};
use crate::peers::{self, Dialled, PeerAddress};
use crate::profile::{Knobs, LinkProfile, Side};
use crate::pulse::{self, Pulse};
use crate::tickets::Tickets;
use crate::{discovery, profile, tls};

mod dialling;

/// Settings of the endpoint.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// UDP address to listen on.
    pub listen: SocketAddr,
    /// Peers to dial and keep dialling.
    pub peers: Vec<PeerAddress>,
    /// Interfaces to find peers on by mDNS; `Some` of none: all but loopback; `None`: off.
    pub mdns: Option<Vec<String>>,
    /// Certificates are judged by a time no earlier than this, Unix milliseconds.
    pub clock_floor_ms: u64,
    /// What kind of link peers are reached over; `None`: it is measured.
    pub profile: Option<LinkProfile>,
    /// The most that may be sent on one link, bits a second.
    pub ceiling_bps: Option<u64>,
}

/// What connections bring.
#[derive(Debug)]
pub enum LinkEvent {
    /// A connection stands; the device's key is proved.
    Up {
        /// The connection.
        link: LinkId,
        /// The device at its other end.
        device: DeviceId,
        /// Its address.
        address: SocketAddr,
        /// Whether this side dialled.
        outgoing: bool,
    },
    /// A frame came.
    Frame {
        /// The connection.
        link: LinkId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A connection is gone.
    Down {
        /// The connection.
        link: LinkId,
        /// Why.
        reason: String,
        /// What had come of frames that the end cut in two, from their first byte on.
        partials: Vec<Vec<u8>>,
    },
    /// What a connection turns out to be; said again when it changed.
    Measured {
        /// The connection.
        link: LinkId,
        /// What it carries from here to the peer, bits a second; `None` where nothing has limited it yet.
        rate_bps: Option<u64>,
        /// Round trip, microseconds.
        rtt_us: u64,
        /// Packets in a thousand that the link loses of its own.
        lost_permille: u32,
    },
    /// The peer fell silent while it owes an answer, or is heard again.
    Silent {
        /// The connection.
        link: LinkId,
        /// Whether it is silent.
        silent: bool,
    },
}

/// A cheap handle on the endpoint.
#[derive(Clone)]
pub struct Transport {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    endpoint: Endpoint,
    door: Arc<Door>,
    hush: Arc<Hush>,
    arrivals: Arrivals<Connection>,
    local: SocketAddr,
    pub(crate) me: DeviceId,
    profile: Option<LinkProfile>,
    ceiling_bps: Option<u64>,
    clock_floor_ms: u64,
    server: quinn::ServerConfig,
    tickets: Tickets,
    links: Mutex<BTreeMap<LinkId, Link>>,
    next_link: AtomicU64,
    events: mpsc::Sender<LinkEvent>,
    /// Changes when a connection ends, falls silent or comes back.
    news: watch::Sender<()>,
    learned: Learned,
    dialled: Dialled,
    /// Times as long between attempts to reach who is not there.
    thrift: AtomicU32,
}

/// A connection in use.
struct Link {
    device: DeviceId,
    outbox: Outbox,
    since: Instant,
    /// Whether a whole frame has come.
    has_spoken: bool,
}

/// A connection that was taken into use and waits to be carried.
pub(crate) struct Entered {
    pub(crate) device: DeviceId,
    link: LinkId,
    connection: Connection,
    pulse: Arc<Pulse>,
    outgoing: bool,
}

/// Why a connection is not taken into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotEntered {
    /// It is one with this device itself.
    Myself,
    /// The other end shows no certificate that is in force.
    Unproved,
    /// Another connection with this device came up meanwhile, and it is heard there.
    Superfluous(DeviceId),
}

/// Connections that have not brought a whole frame yet. A peer that says nothing, or one byte now and then, costs a place;
/// it loses the place when others come, and never costs time. Half of all places, since after a restart of the hub all of
/// an org come at once; no device has more than a few of them.
const SILENT_LINKS_MAX: usize = LINKS_MAX / 2;

/// How long goodbyes may take at the end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

impl Transport {
    /// Opens the endpoint and begins to accept and to dial, within the tokio runtime at hand. Events must be taken: a full queue holds peers back.
    pub fn bind(
        config: TransportConfig,
        key: &DeviceKey,
        membership: &Membership,
    ) -> Result<(Self, mpsc::Receiver<LinkEvent>), TransportError> {
        let floor_ms = config.clock_floor_ms;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls::peer_server(key, membership, floor_ms)?));
        server.max_incoming(256);
        server.validation_token_config(profile::no_tokens());
        let door = Arc::new(Door::default());
        let hush = Arc::new(Hush::default());
        let endpoint = door.open(server.clone(), config.listen, key, Port::Peers, Arc::clone(&hush))?;
        let local = endpoint.local_addr().map_err(|source| TransportError::Bind { address: config.listen, source })?;
        let (events, receiver) = mpsc::channel(LINK_EVENTS_MAX);
        let shared = Arc::new(Shared {
            endpoint,
            door,
            hush,
            arrivals: Arrivals::default(),
            local,
            me: key.device(),
            profile: config.profile,
            ceiling_bps: config.ceiling_bps,
            clock_floor_ms: floor_ms,
            server,
            tickets: Tickets::new(tls::peer_client(key, membership, floor_ms)?),
            links: Mutex::default(),
            next_link: AtomicU64::new(1),
            events,
            news: watch::Sender::new(()),
            learned: Learned::default(),
            dialled: Dialled::default(),
            thrift: AtomicU32::new(1),
        });
        let transport = Self { shared };
        tokio::spawn(accept(transport.clone()));
        tokio::spawn(learned::seek(transport.clone()));
        for address in config.peers {
            transport.add_peer(address);
        }
        if let Some(interfaces) = config.mdns {
            discovery::start(&transport, &interfaces, membership.credential.org);
        }
        Ok((transport, receiver))
    }

    /// Dials a peer and keeps dialling it; one that is dialled already is tried at once.
    pub fn add_peer(&self, address: PeerAddress) {
        if let Some(hurry) = self.shared.dialled.begin(&address) {
            tokio::spawn(peers::keep_dialling(self.clone(), address, hurry));
        }
    }

    /// Takes note of where a device says it is reached, in place of what it said before; it is sought there now and then
    /// while no connection with it stands.
    pub fn learn(&self, whereabouts: Whereabouts) {
        self.shared.learned.learn(whereabouts);
    }

    /// Lets this node try to reach who is not there so many times more rarely, to save power; 1: no need to save.
    pub fn save_power(&self, factor: u8) {
        self.shared.thrift.store(u32::from(factor.max(1)), Ordering::Relaxed);
    }

    /// Queues a frame on a connection. One that is gone swallows it: its end is announced anyway.
    pub fn send(&self, link: LinkId, class: Class, bytes: Vec<u8>) -> Result<(), Slow> {
        self.send_all(link, class, vec![bytes])
    }

    /// Queues frames that are to share packets, in their order.
    pub fn send_all(&self, link: LinkId, class: Class, frames: Vec<Vec<u8>>) -> Result<(), Slow> {
        self.links().get_mut(&link).map_or(Ok(()), |link| link.outbox.send(class, frames))
    }

    /// Sends a frame that only counts while it is new, such as a position: as a datagram, which may be lost and overtakes
    /// what waits, or by the stream of P1 if it fits none. Of many that wait the oldest are dropped.
    pub fn send_newest(&self, link: LinkId, bytes: Vec<u8>) -> Result<(), Slow> {
        self.links().get_mut(&link).map_or(Ok(()), |link| link.outbox.send_newest(bytes))
    }

    /// Ends a connection.
    pub fn close(&self, link: LinkId, reason: Bye) {
        if let Some(link) = self.links().remove(&link) {
            link.outbox.close(reason);
        }
    }

    /// What keeps the ports of this node.
    pub fn door(&self) -> &Arc<Door> {
        &self.shared.door
    }

    /// Where peers reach this endpoint.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// Ends all connections and waits a little for goodbyes to leave.
    pub async fn shutdown(&self) {
        self.shared.endpoint.close(VarInt::from_u32(Bye::Leaving as u32), b"leaving");
        // What has not left by then will be noticed by the peers' idle timeout.
        tokio::time::timeout(SHUTDOWN_PATIENCE, self.shared.endpoint.wait_idle()).await.ok();
    }

    /// Whether a connection with a device stands on which it is heard.
    pub(crate) fn hears(&self, device: DeviceId) -> bool {
        self.links().values().any(|link| link.device == device && !link.outbox.pulse.is_stalled())
    }

    /// A connection with a device at an address, be it silent, with its state.
    pub(crate) fn standing(&self, device: DeviceId, address: SocketAddr) -> Option<(Connection, Arc<Pulse>)> {
        let links = self.links();
        let mut standing = links.values().filter(|link| link.device == device);
        let outbox = &standing.find(|link| link.outbox.connection.remote_address() == address)?.outbox;
        Some((outbox.connection.clone(), Arc::clone(&outbox.pulse)))
    }

    /// Devices heard now.
    pub(crate) fn heard_devices(&self) -> usize {
        let links = self.links();
        let heard = links.values().filter(|link| !link.outbox.pulse.is_stalled()).map(|link| link.device);
        heard.collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn learned(&self) -> &Learned {
        &self.shared.learned
    }

    pub(crate) fn thrift(&self) -> u32 {
        self.shared.thrift.load(Ordering::Relaxed)
    }

    /// Whether this is the device itself.
    pub(crate) fn is_me(&self, device: DeviceId) -> bool {
        device == self.shared.me
    }

    /// Whether the same device is heard on another connection.
    pub(crate) fn has_better(&self, link: LinkId) -> bool {
        let links = self.links();
        let Some(device) = links.get(&link).map(|link| link.device) else { return false };
        links.iter().any(|(other, of)| *other != link && of.device == device && !of.outbox.pulse.is_stalled())
    }

    /// Something changed that whoever waits for a peer should know.
    pub(crate) fn news(&self) {
        self.shared.news.send_replace(());
    }

    /// Hears of all news from now on.
    pub(crate) fn listen_for_news(&self) -> watch::Receiver<()> {
        self.shared.news.subscribe()
    }

    pub(crate) fn events(&self) -> mpsc::Sender<LinkEvent> {
        self.shared.events.clone()
    }

    /// A whole frame has come on a connection.
    pub(crate) fn has_spoken(&self, link: LinkId) {
        if let Some(link) = self.links().get_mut(&link) {
            link.has_spoken = true;
        }
    }

    /// The knobs of a link of a kind, or of this node's kind.
    pub(crate) fn knobs(&self, profile: Option<LinkProfile>) -> Knobs {
        profile::knobs(profile.or(self.shared.profile))
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<LinkId, Link>> {
        self.shared.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a handshake that takes too long, or whose place is wanted.
    fn give_up(&self, arrival: &Connection) {
        self.door().unfinished(arrival.remote_address());
        arrival.close(VarInt::from_u32(Bye::Slow as u32), b"no handshake");
    }

    /// Takes a proved connection into use; `dialled`: since when it was sought from here.
    pub(crate) fn enter(&self, connection: Connection, dialled: Option<Instant>) -> Result<Entered, NotEntered> {
        let outgoing = dialled.is_some();
        let now = tls::floored_time(self.shared.clock_floor_ms);
        let Some(device) = proved_device(&connection, now) else {
            let address = connection.remote_address();
            self.shared.tickets.forget(address);
            let opener = if outgoing { Opener::Here } else { Opener::There };
            self.door().untrusted(address, opener, "no certificate in force");
            connection.close(VarInt::from_u32(Bye::BadCredential as u32), b"no certificate in force");
            return Err(NotEntered::Unproved);
        };
        if device == self.shared.me && outgoing {
            connection.close(VarInt::from_u32(Bye::Duplicate as u32), b"this is me");
            return Err(NotEntered::Myself);
        }
        let link = LinkId(self.shared.next_link.fetch_add(1, Ordering::Relaxed));
        let pulse = Arc::new(Pulse::default());
        let outbox = Outbox::new(connection.clone(), Arc::clone(&pulse));
        let mut links = self.links();
        let meanwhile = |known: &Link| {
            let sought_before = dialled.is_some_and(|begun| known.since >= begun);
            known.device == device && sought_before && !known.outbox.pulse.is_stalled()
        };
        if links.values().any(meanwhile) {
            outbox.close(Bye::Duplicate);
            return Err(NotEntered::Superfluous(device));
        }
        make_way(&mut links, device, self.door());
        links.insert(link, Link { device, outbox, since: Instant::now(), has_spoken: false });
        Ok(Entered { device, link, connection, pulse, outgoing })
    }

    /// Carries a connection until it ends, and says why it ended.
    pub(crate) async fn carry(&self, entered: Entered, knobs: Knobs) -> String {
        let Entered { device, link, connection, pulse, outgoing } = entered;
        let address = connection.remote_address();
        // With the receiver gone the node is stopping; nobody needs the news.
        if self.events().send(LinkEvent::Up { link, device, address, outgoing }).await.is_err() {
            return "the node stops".to_owned();
        }
        self.door().meets(address);
        tokio::spawn(pulse::watch(self.clone(), connection.clone(), link, pulse, knobs));
        let End { reason, partials } = inbox::receive(self.clone(), connection.clone(), link).await;
        self.door().parts(address);
        if let Some(error) = connection.close_reason() {
            // An end that dialled may hear only now that it is not trusted.
            self.door().ended(address, if outgoing { Opener::Here } else { Opener::There }, &error);
        }
        self.links().remove(&link);
        self.news();
        self.events().send(LinkEvent::Down { link, reason: reason.clone(), partials }).await.ok();
        reason
    }
}

/// Ends what stands in the way of a fresh connection with a device: those on which it is not heard any more, and the oldest
/// of too many that never said anything. The others must show that they are still good.
fn make_way(links: &mut BTreeMap<LinkId, Link>, device: DeviceId, door: &Door) {
    links.retain(|_, link| {
        let stalled = link.device == device && link.outbox.pulse.is_stalled();
        if stalled {
            link.outbox.close(Bye::Duplicate);
        }
        !stalled
    });
    for link in links.values().filter(|link| link.device == device) {
        link.outbox.pulse.challenge();
    }
    let silent = |of: Option<DeviceId>| {
        let silent = links.iter().filter(move |(_, link)| !link.has_spoken && of.is_none_or(|of| link.device == of));
        silent.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    let crowds = [(silent(Some(device)), DEVICE_LINKS_MAX), (silent(None), SILENT_LINKS_MAX)];
    for (crowd, places) in crowds {
        // Link numbers rise, so the oldest come first.
        for id in crowd.iter().take((crowd.len() + 1).saturating_sub(places)) {
            if let Some(link) = links.remove(id) {
                door.misused(link.outbox.connection.remote_address(), Misuse::Silent);
                link.outbox.close(Bye::Slow);
            }
        }
    }
}

async fn accept(transport: Transport) {
    let Shared { endpoint, arrivals, .. } = &*transport.shared;
    while let Some(incoming) = endpoint.accept().await {
        if arrivals.are_many() && !incoming.remote_address_validated() {
            // Whoever is there comes again and says where it is. One whose address is not proved may always be asked.
            incoming.retry().ok();
            continue;
        }
        if endpoint.open_connections() > LINKS_MAX {
            match arrivals.oldest() {
                Some(oldest) => transport.give_up(&oldest),
                None => {
                    transport.door().begins(&incoming.orig_dst_cid());
                    incoming.refuse();
                    continue;
                }
            }
        }
        tokio::spawn(welcome(transport.clone(), incoming));
    }
}

async fn welcome(transport: Transport, incoming: Incoming) {
    let address = incoming.remote_address();
    let mut server = transport.shared.server.clone();
    server.transport_config(transport.settings(None, Side::Answers, transport.met(address)));
    let dialled = incoming.orig_dst_cid();
    let connecting = match incoming.accept_with(Arc::new(server)) {
        Ok(connecting) => connecting,
        // It could not be opened; the door counts it.
        Err(error) => return tracing::debug!(%address, %error, "a connection was refused"),
    };
    transport.door().begins(&dialled);
    let Ok((connection, established)) = connecting.into_0rtt() else { return };
    // A session that is resumed proves the device in its first packet; a fresh one at the end of the handshake.
    if connection.peer_identity().is_none() {
        let (place, oldest) = transport.shared.arrivals.begin(connection.clone());
        oldest.iter().for_each(|oldest| transport.give_up(oldest));
        if tokio::time::timeout(HANDSHAKE_MAX, established).await.is_err() {
            transport.give_up(&connection);
        }
        transport.shared.arrivals.end(place);
        if let Some(error) = connection.close_reason() {
            transport.door().ended(address, Opener::There, &error);
            return tracing::debug!(%address, %error, "a connection was refused");
        }
    }
    match transport.enter(connection, None) {
        Ok(entered) => drop(transport.carry(entered, transport.knobs(None)).await),
        Err(fault) => tracing::debug!(%address, ?fault, "a connection was refused"),
    }
}

/// The device at the other end, by the key that its verified certificate certifies, if that is in force at `now`.
fn proved_device(connection: &Connection, now: Duration) -> Option<DeviceId> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let certificate = chain.first().filter(|certificate| is_in_force(certificate, now))?;
    certified_key(certificate).as_ref().map(DeviceId::of)
}
