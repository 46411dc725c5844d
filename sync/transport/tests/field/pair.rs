//! Two real QUIC endpoints without sockets, in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_domain::identity::DeviceRole;
use holdfast_domain::scope::Class;
use holdfast_transport::beacon::{Glimpse, Watch};
use holdfast_transport::controller::Steered;
use holdfast_transport::identity::{Authority, DeviceKey, Membership};
use holdfast_transport::profile::{self, LinkProfile, Met, Side};
use holdfast_transport::tls;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, ServerConfig,
    StreamEvent, StreamId, Transmit,
};

use crate::wire::{Nature, Wire};

/// When the certificates of these tests are issued: 2026-01-01.
const ISSUED_MS: u64 = 1_767_225_600_000;

pub(crate) const DIALLER: usize = 0;
pub(crate) const LISTENER: usize = 1;

/// One end: an endpoint with at most one connection.
pub(crate) struct End {
    endpoint: Endpoint,
    address: SocketAddr,
    pub(crate) connection: Option<(ConnectionHandle, Connection)>,
    pub(crate) connected_at: Option<Instant>,
    pub(crate) lost: bool,
    /// Bytes read from streams.
    pub(crate) read_bytes: u64,
    /// The same by stream.
    pub(crate) read_of: BTreeMap<StreamId, u64>,
    pub(crate) sent_datagrams: u64,
    open: Vec<StreamId>,
    watch: Watch,
    next_look: Option<Instant>,
}

/// Two ends and the wires between them; wire 0 leads from the dialler.
pub(crate) struct Pair {
    pub(crate) begun: Instant,
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) wires: [Wire; 2],
    client: ClientConfig,
}

fn member(home: &std::path::Path, authority: &Authority, name: &str) -> (DeviceKey, Membership) {
    let key = DeviceKey::load_or_create(&home.join(name)).expect("a key");
    let device = authority.vouch(&key.public(), name, DeviceRole::Node, ISSUED_MS);
    let membership = authority.admit_for(&key.public(), device, 10_000).expect("certificates");
    (key, membership)
}

fn end(port: u16, server: Option<ServerConfig>, seed: u64, profile: Option<LinkProfile>) -> End {
    let knobs = profile::knobs(profile);
    let mut seed_bytes = [port as u8; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    End {
        endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), server.map(Arc::new), true, Some(seed_bytes)),
        address: SocketAddr::from(([10, 0, 0, 1], port)),
        connection: None,
        connected_at: None,
        lost: false,
        read_bytes: 0,
        read_of: BTreeMap::new(),
        sent_datagrams: 0,
        open: Vec::new(),
        watch: Watch::new(knobs.beacon, knobs.answer_within()),
        next_look: None,
    }
}

impl Pair {
    /// Both ends know the same kind of link; `natures` are of the way out and the way back.
    pub(crate) fn new(profile: Option<LinkProfile>, natures: [Nature; 2], seed: u64) -> Self {
        Self::acquainted(profile, natures, seed, None)
    }

    /// The same; both ends remember the way.
    pub(crate) fn acquainted(profile: Option<LinkProfile>, natures: [Nature; 2], seed: u64, met: Option<Met>) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let authority = Authority::load_or_create(&home.path().join("authority")).expect("an authority");
        let (a, b) = (member(home.path(), &authority, "a"), member(home.path(), &authority, "b"));
        let crypto = tls::peer_server(&b.0, &b.1, ISSUED_MS).expect("settings");
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server.transport_config(profile::transport(profile, Side::Answers, None, met));
        server.validation_token_config(profile::no_tokens());
        let mut remembers = tls::peer_client(&a.0, &a.1, ISSUED_MS).expect("settings");
        remembers.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let mut client = ClientConfig::new(Arc::new(tls::quic_client(remembers).expect("settings")));
        client.transport_config(profile::transport(profile, Side::Dials, None, met));
        let now = Instant::now();
        Self {
            begun: now,
            now,
            // Whoever answers knows the kind of its own links at best, not that of this one.
            ends: [end(1, None, seed, profile), end(2, Some(server), seed, None)],
            wires: [Wire::new(natures[0], now, seed), Wire::new(natures[1], now, seed ^ 0x5555)],
            client,
        }
    }

    /// Begins a connection, forgetting one there may be.
    pub(crate) fn dial(&mut self) {
        let remote = self.ends[LISTENER].address;
        let dialler = &mut self.ends[DIALLER];
        let connection = dialler
            .endpoint
            .connect(self.now, self.client.clone(), remote, "node.holdfast.internal")
            .expect("a connection begins");
        dialler.connection = Some(connection);
        (dialler.connected_at, dialler.lost) = (None, false);
    }

    /// Ends the connection at one end.
    pub(crate) fn hang_up(&mut self, end: usize) {
        let now = self.now;
        self.connection(end).close(now, 0_u32.into(), Vec::new().into());
        self.drive(end);
    }

    pub(crate) fn connection(&mut self, end: usize) -> &mut Connection {
        &mut self.ends[end].connection.as_mut().expect("a connection").1
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.begun
    }

    /// Writes as much of an endless stream as is taken.
    pub(crate) fn fill(&mut self, end: usize, stream: StreamId) {
        let chunk = [7; 4096];
        while self.connection(end).send_stream(stream).write(&chunk).is_ok_and(|written| written > 0) {}
    }

    /// Opens a stream of a class, as the endpoint does.
    pub(crate) fn open(&mut self, end: usize, class: Class) -> StreamId {
        let stream = self.connection(end).streams().open(Dir::Uni).expect("a stream");
        self.connection(end).send_stream(stream).set_priority(-(class as i32)).expect("it is open");
        stream
    }

    /// Goes on until `done` says so or the time is over; says whether `done` did.
    pub(crate) fn run(&mut self, until: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            // What `done` wrote leaves at once.
            self.settle();
            let due = self.ends.iter_mut().flat_map(|end| {
                [end.next_look, end.connection.as_mut().and_then(|(_, connection)| connection.poll_timeout())]
            });
            let arrivals = self.wires.iter().filter_map(Wire::next_arrival);
            let next = due.flatten().chain(arrivals).min();
            match next {
                Some(next) if next <= self.begun + until => self.now = self.now.max(next),
                _ => {
                    self.now = self.begun + until;
                    return false;
                }
            }
        }
    }

    /// Does all that is due now.
    fn settle(&mut self) {
        for end in 0..2 {
            if self.ends[end].next_look.is_none_or(|due| due <= self.now) {
                self.look(end);
            }
        }
        for end in 0..2 {
            while let Some(datagram) = self.wires[1 - end].arrived(self.now) {
                self.take(end, &datagram);
            }
            if let Some((_, connection)) = &mut self.ends[end].connection
                && connection.poll_timeout().is_some_and(|due| due <= self.now)
            {
                connection.handle_timeout(self.now);
            }
            self.drive(end);
        }
    }

    /// What the task of a link does at each of its looks.
    fn look(&mut self, at: usize) {
        let end = &mut self.ends[at];
        let Some((_, connection)) = end.connection.as_mut().filter(|_| end.connected_at.is_some()) else {
            end.next_look = None;
            return;
        };
        let controller = Steered::of(connection.congestion_state().clone_box()).expect("it is ours");
        let glimpse = Glimpse::of(&connection.stats(), &controller);
        let verdict = end.watch.look(self.now, glimpse);
        end.next_look = Some(self.now + end.watch.pause(self.now, &glimpse));
        if verdict.beacon {
            controller.grant();
            // A datagram that finds no room is as good as one that was lost.
            drop(connection.datagrams().send(Vec::new().into(), true));
        }
    }

    fn take(&mut self, at: usize, datagram: &[u8]) {
        let remote = self.ends[1 - at].address;
        let end = &mut self.ends[at];
        let mut buffer = Vec::new();
        match end.endpoint.handle(self.now, remote, None, None, datagram.into(), &mut buffer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some((_, connection)) = end.connection.as_mut().filter(|(known, _)| *known == handle) {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                let accepted = end.endpoint.accept(incoming, self.now, &mut buffer, None);
                end.connection = Some(accepted.map_err(|refused| refused.cause).expect("an honest peer"));
                (end.connected_at, end.lost) = (None, false);
                end.open.clear();
            }
            Some(DatagramEvent::Response(transmit)) => self.put(at, &transmit, &buffer),
            None => {}
        }
        self.drive(at);
    }

    fn drive(&mut self, at: usize) {
        let (now, end) = (self.now, &mut self.ends[at]);
        let Some((handle, connection)) = &mut end.connection else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = end.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected => end.connected_at = Some(now),
                Event::ConnectionLost { .. } => end.lost = true,
                Event::Stream(StreamEvent::Opened { .. }) => {
                    while let Some(stream) = connection.streams().accept(Dir::Uni) {
                        end.open.push(stream);
                    }
                }
                _ => {}
            }
        }
        for id in &end.open {
            let mut stream = connection.recv_stream(*id);
            let Ok(mut chunks) = stream.read(true) else { continue };
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                end.read_bytes += chunk.bytes.len() as u64;
                *end.read_of.entry(*id).or_default() += chunk.bytes.len() as u64;
            }
            let _ = chunks.finalize();
        }
        let mut sent = Vec::new();
        let mut buffer = Vec::new();
        while let Some(transmit) = connection.poll_transmit(now, 1, &mut buffer) {
            sent.push((transmit, std::mem::take(&mut buffer)));
        }
        for (transmit, buffer) in sent {
            self.put(at, &transmit, &buffer);
        }
    }

    fn put(&mut self, at: usize, transmit: &Transmit, buffer: &[u8]) {
        self.ends[at].sent_datagrams += 1;
        self.wires[at].send(self.now, buffer[..transmit.size].to_vec());
    }
}
