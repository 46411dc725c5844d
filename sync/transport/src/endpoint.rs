//! The endpoint: accepts and dials peers, hands frames in and out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_domain::frame::{Bye, LinkId};
use holdfast_domain::identity::DeviceId;
use holdfast_domain::limits::{LINK_EVENTS_MAX, LINKS_MAX};
use holdfast_domain::scope::Class;
use quinn::{Connection, Endpoint, Incoming, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::error::TransportError;
use crate::identity::{DeviceKey, Membership, SERVER_NAME, certified_key};
use crate::link::{self, Outbox, Slow};
use crate::profile::{LinkProfile, Side};
use crate::{discovery, peers, profile, tls};

/// Settings of the endpoint.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// UDP address to listen on.
    pub listen: SocketAddr,
    /// `host:port` of peers to dial and keep dialling.
    pub peers: Vec<String>,
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
    },
}

/// A cheap handle on the endpoint.
#[derive(Clone)]
pub struct Transport {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) local: SocketAddr,
    pub(crate) me: DeviceId,
    outboxes: Mutex<BTreeMap<LinkId, (DeviceId, Outbox)>>,
    next_link: AtomicU64,
    events: mpsc::Sender<LinkEvent>,
}

/// How long goodbyes may take at the end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

impl Transport {
    /// Opens the endpoint and begins to accept and to dial, within the tokio runtime at hand. Events must be taken: a full queue holds peers back.
    pub fn bind(
        config: TransportConfig,
        key: &DeviceKey,
        membership: &Membership,
    ) -> Result<(Self, mpsc::Receiver<LinkEvent>), TransportError> {
        let endpoint = open(&config, key, membership)?;
        let local = endpoint.local_addr().map_err(|source| TransportError::Bind { address: config.listen, source })?;
        let (events, receiver) = mpsc::channel(LINK_EVENTS_MAX);
        let shared = Arc::new(Shared {
            endpoint,
            local,
            me: key.device(),
            outboxes: Mutex::new(BTreeMap::new()),
            next_link: AtomicU64::new(1),
            events,
        });
        let transport = Self { shared };
        tokio::spawn(accept(transport.clone()));
        for address in config.peers {
            transport.add_peer(address);
        }
        if let Some(interfaces) = config.mdns {
            discovery::start(&transport, &interfaces, membership.credential.org);
        }
        Ok((transport, receiver))
    }

    /// Dials a peer and keeps dialling it.
    pub fn add_peer(&self, address: String) {
        tokio::spawn(peers::keep_dialling(self.clone(), address));
    }

    /// Queues a frame on a connection. One that is gone swallows it: its end is announced anyway.
    pub fn send(&self, link: LinkId, class: Class, bytes: Vec<u8>) -> Result<(), Slow> {
        match self.outboxes().get_mut(&link) {
            Some((_, outbox)) => outbox.send(class, bytes),
            None => Ok(()),
        }
    }

    /// Ends a connection.
    pub fn close(&self, link: LinkId, reason: Bye) {
        if let Some((_, outbox)) = self.outboxes().remove(&link) {
            outbox.close(reason);
        }
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

    pub(crate) fn has_link_with(&self, device: DeviceId) -> bool {
        self.outboxes().values().any(|(other, _)| *other == device)
    }

    fn outboxes(&self) -> MutexGuard<'_, BTreeMap<LinkId, (DeviceId, Outbox)>> {
        self.shared.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a proved connection into use until it ends. `None`: it is one with this device itself.
    pub(crate) async fn carry(&self, connection: Connection, outgoing: bool) -> Option<String> {
        let device = proved_device(&connection)?;
        if device == self.shared.me && outgoing {
            connection.close(VarInt::from_u32(Bye::Duplicate as u32), b"this is me");
            return None;
        }
        let link = LinkId(self.shared.next_link.fetch_add(1, Ordering::Relaxed));
        let address = connection.remote_address();
        self.outboxes().insert(link, (device, Outbox::new(connection.clone())));
        let events = self.shared.events.clone();
        if events.send(LinkEvent::Up { link, device, address, outgoing }).await.is_err() {
            return None;
        }
        let reason = link::receive(connection, link, events.clone()).await;
        self.outboxes().remove(&link);
        // With the receiver gone the node is stopping; nobody needs the news.
        events.send(LinkEvent::Down { link, reason: reason.clone(), partials: Vec::new() }).await.ok();
        Some(reason)
    }
}

fn open(config: &TransportConfig, key: &DeviceKey, membership: &Membership) -> Result<Endpoint, TransportError> {
    let floor_ms = config.clock_floor_ms;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls::peer_server(key, membership, floor_ms)?));
    server.transport_config(profile::transport(config.profile, Side::Answers, config.ceiling_bps));
    server.max_incoming(256);
    let mut client = quinn::ClientConfig::new(Arc::new(tls::peer_client(key, membership, floor_ms)?));
    client.transport_config(profile::transport(config.profile, Side::Dials, config.ceiling_bps));
    let mut endpoint = bind(server, config.listen)?;
    endpoint.set_default_client_config(client);
    Ok(endpoint)
}

pub(crate) fn bind(server: quinn::ServerConfig, address: SocketAddr) -> Result<Endpoint, TransportError> {
    Endpoint::server(server, address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => TransportError::PortInUse { address },
        _ => TransportError::Bind { address, source },
    })
}

async fn accept(transport: Transport) {
    while let Some(incoming) = transport.shared.endpoint.accept().await {
        if transport.shared.endpoint.open_connections() > LINKS_MAX {
            incoming.refuse();
            continue;
        }
        tokio::spawn(welcome(transport.clone(), incoming));
    }
}

async fn welcome(transport: Transport, incoming: Incoming) {
    let address = incoming.remote_address();
    let connection = match incoming.accept() {
        Ok(connecting) => connecting.await,
        Err(error) => Err(error),
    };
    match connection {
        Ok(connection) => drop(transport.carry(connection, false).await),
        Err(error) => tracing::debug!(%address, %error, "a connection was refused"),
    }
}

/// Dials an address once.
pub(crate) async fn dial(transport: &Transport, address: SocketAddr) -> Result<Connection, String> {
    let connecting = transport.shared.endpoint.connect(address, SERVER_NAME).map_err(|error| error.to_string())?;
    connecting.await.map_err(|error| error.to_string())
}

/// The device at the other end, by the key that its verified certificate certifies.
pub(crate) fn proved_device(connection: &Connection) -> Option<DeviceId> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    certified_key(chain.first()?).as_ref().map(DeviceId::of)
}
