//! The relay: takes datagrams of any number of clients to one target and back, over a line each way.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::line::{Fate, Line};

/// Clients with a socket of their own towards the target; past it the one silent for longest makes way.
const CLIENTS_MAX: usize = 256;
/// Datagrams read from the target and not yet put on the line; more wait in the kernel.
const BACKLOG_PACKETS: usize = 1_024;
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What IPv4 and UDP add to each datagram, bytes.
pub const HEADER_BYTES: usize = 28;

/// Losses that come together (Gilbert 1960, Elliott 1963): two states, between which the link turns packet by packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Chance for each packet that a burst begins, 0 to 1.
    pub enter: f64,
    /// Chance for each packet that it ends, 0 to 1; a burst takes 1/leave packets on average.
    pub leave: f64,
    /// Share of packets lost within a burst, 0 to 1.
    pub loss: f64,
}

impl Burst {
    /// Share of packets lost over time, 0 to 1.
    pub fn mean(&self) -> f64 {
        self.loss * self.enter / (self.enter + self.leave)
    }
}

/// How one direction of a link treats packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Time on the way, milliseconds.
    pub delay_ms: u32,
    /// Up to so much more, drawn for each packet, milliseconds. Packets may overtake each other.
    pub jitter_ms: u32,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Losses in bursts, besides.
    pub burst: Option<Burst>,
    /// Bits a second that go onto the link, IPv4 and UDP headers included; unlimited if `None`.
    pub rate_bps: Option<u64>,
    /// Bytes that may wait for the link; more are dropped at the tail.
    pub queue_bytes: usize,
}

impl Profile {
    /// A link that does no harm.
    pub fn clear() -> Self {
        Self { delay_ms: 0, jitter_ms: 0, loss: 0.0, burst: None, rate_bps: None, queue_bytes: 1 << 20 }
    }

    /// A narrowband radio: 64 kbit/s, 300 ms each way, a tenth lost.
    pub fn narrowband() -> Self {
        Self { delay_ms: 300, jitter_ms: 20, loss: 0.1, burst: None, rate_bps: Some(64_000), queue_bytes: 16 << 10 }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::clear()
    }
}

/// What went through so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Datagrams delivered to the target.
    pub packets_there: u64,
    /// Their payload, bytes.
    pub bytes_there: u64,
    /// Datagrams delivered to clients.
    pub packets_back: u64,
    /// Their payload, bytes.
    pub bytes_back: u64,
    /// Datagrams not delivered, in both directions: cut off, lost, or refused by a full queue.
    pub dropped: u64,
    /// Their payload, bytes.
    pub bytes_dropped: u64,
    /// Datagrams on the way now.
    pub on_the_way: u64,
    /// What went onto the link towards the target, lost on the way or not, with headers, bytes.
    pub wire_bytes_there: u64,
    /// What went onto the link towards clients, lost on the way or not, with headers, bytes.
    pub wire_bytes_back: u64,
}

impl Stats {
    fn count(&mut self, way: Way, bytes: usize) {
        let (packets, total) = match way {
            Way::There => (&mut self.packets_there, &mut self.bytes_there),
            Way::Back => (&mut self.packets_back, &mut self.bytes_back),
        };
        *packets += 1;
        *total += bytes as u64;
    }

    fn wire(&mut self, way: Way, bytes: usize) {
        match way {
            Way::There => self.wire_bytes_there += bytes as u64,
            Way::Back => self.wire_bytes_back += bytes as u64,
        }
    }

    /// What went onto the link both ways, with headers, bytes.
    pub fn wire_bytes(&self) -> u64 {
        self.wire_bytes_there + self.wire_bytes_back
    }

    fn drop(&mut self, bytes: usize) {
        self.dropped += 1;
        self.bytes_dropped += bytes as u64;
    }
}

/// What the owner may change while the relay runs.
struct Settings {
    there: Profile,
    back: Profile,
    target: SocketAddr,
    cut: bool,
    outages: Vec<Range<Instant>>,
    stats: Stats,
}

impl Settings {
    fn is_cut(&self, at: Instant) -> bool {
        self.cut || self.outages.iter().any(|outage| outage.contains(&at))
    }
}

type Shared = Arc<Mutex<Settings>>;

fn settings(shared: &Shared) -> MutexGuard<'_, Settings> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A UDP relay that runs until it is dropped.
pub struct Relay {
    local: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Relay {
    /// Starts a relay on the current tokio runtime. It listens at `listen` (port 0: any free one) and takes what comes
    /// to `target` and back; `seed` decides which packets are lost and how late they are.
    ///
    /// # Errors
    /// If the address cannot be listened at.
    pub async fn start(listen: SocketAddr, target: SocketAddr, profile: Profile, seed: u64) -> io::Result<Self> {
        let socket = UdpSocket::bind(listen).await?;
        let local = socket.local_addr()?;
        let shared = Arc::new(Mutex::new(Settings {
            there: profile,
            back: profile,
            target,
            cut: false,
            outages: Vec::new(),
            stats: Stats::default(),
        }));
        let task = tokio::spawn(Carrier::new(socket, shared.clone(), seed).run());
        Ok(Self { local, shared, task })
    }

    /// Where clients send to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Cuts the link, or joins it again. What is on the way when it is cut is lost.
    pub fn cut(&self, cut: bool) {
        settings(&self.shared).cut = cut;
    }

    /// Whether the link is cut now, by hand or by an outage.
    pub fn is_cut(&self) -> bool {
        settings(&self.shared).is_cut(Instant::now())
    }

    /// Cuts the link for these spans of time from now, in place of those given before.
    pub fn set_outages(&self, outages: &[Range<Duration>]) {
        let now = Instant::now();
        settings(&self.shared).outages = outages.iter().map(|span| now + span.start..now + span.end).collect();
    }

    /// Changes how packets are treated from now on, both ways.
    pub fn set_profile(&self, profile: Profile) {
        self.set_profiles(profile, profile);
    }

    /// Changes how packets are treated from now on, towards the target and back.
    pub fn set_profiles(&self, there: Profile, back: Profile) {
        let mut settings = settings(&self.shared);
        (settings.there, settings.back) = (there, back);
    }

    /// Sends what comes from now on to another target, such as a process that came back at another port.
    pub fn set_target(&self, target: SocketAddr) {
        settings(&self.shared).target = target;
    }

    /// What went through so far.
    pub fn stats(&self) -> Stats {
        settings(&self.shared).stats
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// A datagram on the line.
struct Packet {
    at: Instant,
    serial: u64,
    way: Way,
    client: SocketAddr,
    bytes: Vec<u8>,
}

impl Packet {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.serial)
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// A client's own socket towards the target, so that the target sees each client at an address of its own.
struct Client {
    upstream: Arc<UdpSocket>,
    reader: JoinHandle<()>,
    last_packet: u64,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The one loop that moves packets.
struct Carrier {
    socket: UdpSocket,
    shared: Shared,
    start: Instant,
    there: Line,
    back: Line,
    serial: u64,
    due: BinaryHeap<Reverse<Packet>>,
    clients: BTreeMap<SocketAddr, Client>,
}

impl Carrier {
    fn new(socket: UdpSocket, shared: Shared, seed: u64) -> Self {
        let (there, back) = (Line::new(seed.wrapping_mul(2)), Line::new(seed.wrapping_mul(2) + 1));
        let (start, due, clients) = (Instant::now(), BinaryHeap::new(), BTreeMap::new());
        Self { socket, shared, start, there, back, serial: 0, due, clients }
    }

    async fn run(mut self) {
        let (answers, mut answered) = mpsc::channel(BACKLOG_PACKETS);
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let next = self.due.peek().map(|Reverse(packet)| packet.at);
            tokio::select! {
                got = self.socket.recv_from(&mut buffer) => match got {
                    Ok((length, client)) => {
                        if self.greet(client, &answers).await.is_ok() {
                            self.offer(Way::There, client, buffer[..length].to_vec());
                        }
                    }
                    // An earlier datagram could not be delivered; the next may.
                    Err(_) => tokio::task::yield_now().await,
                },
                Some((client, bytes)) = answered.recv() => self.offer(Way::Back, client, bytes),
                () = sleep_until(next.unwrap_or(self.start)), if next.is_some() => {}
            }
            self.deliver().await;
        }
    }

    /// Makes sure that a client has a socket towards the target.
    async fn greet(&mut self, client: SocketAddr, answers: &mpsc::Sender<(SocketAddr, Vec<u8>)>) -> io::Result<()> {
        self.serial += 1;
        if let Some(known) = self.clients.get_mut(&client) {
            known.last_packet = self.serial;
            return Ok(());
        }
        if self.clients.len() >= CLIENTS_MAX
            && let Some(silent) = self.clients.iter().min_by_key(|(_, known)| known.last_packet).map(|(at, _)| *at)
        {
            self.clients.remove(&silent);
        }
        let any: SocketAddr = match settings(&self.shared).target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let upstream = Arc::new(UdpSocket::bind(any).await?);
        let reader = tokio::spawn(read_answers(upstream.clone(), self.shared.clone(), client, answers.clone()));
        self.clients.insert(client, Client { upstream, reader, last_packet: self.serial });
        Ok(())
    }

    fn offer(&mut self, way: Way, client: SocketAddr, bytes: Vec<u8>) {
        let mut settings = settings(&self.shared);
        if settings.is_cut(Instant::now()) {
            settings.stats.drop(bytes.len());
            return;
        }
        let (line, profile) = match way {
            Way::There => (&mut self.there, settings.there),
            Way::Back => (&mut self.back, settings.back),
        };
        let now_us = self.start.elapsed().as_micros() as u64;
        let wire_bytes = bytes.len() + HEADER_BYTES;
        let fate = line.offer(&profile, now_us, wire_bytes);
        if fate != Fate::Refused {
            settings.stats.wire(way, wire_bytes);
        }
        match fate {
            Fate::Arrives(at_us) => {
                self.serial += 1;
                let at = self.start + Duration::from_micros(at_us);
                settings.stats.on_the_way += 1;
                self.due.push(Reverse(Packet { at, serial: self.serial, way, client, bytes }));
            }
            Fate::Lost | Fate::Refused => settings.stats.drop(bytes.len()),
        }
    }

    /// Delivers what has come to the end of its line, in order of time.
    async fn deliver(&mut self) {
        while self.due.peek().is_some_and(|Reverse(packet)| packet.at <= Instant::now()) {
            let Some(Reverse(packet)) = self.due.pop() else { return };
            let (cut, target) = {
                let settings = settings(&self.shared);
                (settings.is_cut(Instant::now()), settings.target)
            };
            let sent = match (cut, packet.way, self.clients.get(&packet.client)) {
                (true, ..) | (_, Way::There, None) => false,
                (false, Way::There, Some(client)) => client.upstream.send_to(&packet.bytes, target).await.is_ok(),
                (false, Way::Back, _) => self.socket.send_to(&packet.bytes, packet.client).await.is_ok(),
            };
            let stats = &mut settings(&self.shared).stats;
            stats.on_the_way -= 1;
            if sent {
                stats.count(packet.way, packet.bytes.len());
            } else {
                stats.drop(packet.bytes.len());
            }
        }
    }
}

async fn read_answers(
    upstream: Arc<UdpSocket>,
    shared: Shared,
    client: SocketAddr,
    answers: mpsc::Sender<(SocketAddr, Vec<u8>)>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        match upstream.recv_from(&mut buffer).await {
            Ok((length, from)) if from == settings(&shared).target => {
                if answers.send((client, buffer[..length].to_vec())).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
