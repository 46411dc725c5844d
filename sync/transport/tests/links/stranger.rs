//! A member whose QUIC is driven by hand: it may misbehave as no endpoint of ours would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use holdfast_transport::identity::{DeviceKey, Membership};
use holdfast_transport::profile::{self, LinkProfile, Side};
use holdfast_transport::tls;
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};
use tokio::net::UdpSocket;

use crate::members::{ISSUED_MS, local};

pub(crate) struct Stranger {
    endpoint: Endpoint,
    config: ClientConfig,
}

impl Stranger {
    pub(crate) fn new((key, membership): &(DeviceKey, Membership)) -> Self {
        let mut tls = tls::peer_client(key, membership, ISSUED_MS).expect("settings");
        tls.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let mut config = ClientConfig::new(Arc::new(tls::quic_client(tls).expect("settings")));
        config.transport_config(profile::transport(Some(LinkProfile::Sat), Side::Dials, None, None));
        Self { endpoint: Endpoint::client(local()).expect("a socket"), config }
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Connection {
        let connecting = self.endpoint.connect_with(self.config.clone(), address, "node.holdfast.internal");
        connecting.expect("settings").await.expect("let in")
    }
}

/// A member that answers.
pub(crate) fn listen((key, membership): &(DeviceKey, Membership)) -> Endpoint {
    let tls = tls::peer_server(key, membership, ISSUED_MS).expect("settings");
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(profile::transport(Some(LinkProfile::Lan), Side::Answers, None, None));
    Endpoint::server(config, local()).expect("a socket")
}

/// Writes the beginning of a frame, as it is, on a stream of its own, which must be kept.
pub(crate) async fn begin_frame(connection: &Connection, length: u32, part: &[u8]) -> quinn::SendStream {
    begin(connection, length << 1, part).await
}

/// The same of a frame that is said to be packed.
pub(crate) async fn begin_packed(connection: &Connection, length: u32, part: &[u8]) -> quinn::SendStream {
    begin(connection, length << 1 | 1, part).await
}

async fn begin(connection: &Connection, mut header: u32, part: &[u8]) -> quinn::SendStream {
    let mut bytes = Vec::new();
    while header > 0x7F {
        bytes.push(header as u8 | 0x80);
        header >>= 7;
    }
    bytes.push(header as u8);
    bytes.extend_from_slice(part);
    let mut stream = connection.open_uni().await.expect("a stream");
    stream.write_all(&bytes).await.expect("written");
    stream
}

/// A road between two ends that can be closed.
pub(crate) struct Road {
    pub(crate) address: SocketAddr,
    closed: Arc<AtomicBool>,
    handshake_datagrams: Arc<AtomicUsize>,
}

impl Road {
    /// Carries datagrams between whoever calls first and `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let near = UdpSocket::bind(local()).await.expect("a socket");
        let far = UdpSocket::bind(local()).await.expect("a socket");
        far.connect(target).await.expect("loopback");
        let address = near.local_addr().expect("bound");
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = Arc::clone(&closed);
        let handshake_datagrams = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&handshake_datagrams);
        // Packets of a handshake have long headers.
        let carried = move |datagram: &[u8]| {
            let long = datagram.first().is_some_and(|first| first & 0x80 != 0);
            count.fetch_add(usize::from(long), Ordering::Relaxed);
        };
        tokio::spawn(async move {
            let (mut out, mut back) = (vec![0; 2_000], vec![0; 2_000]);
            let mut caller = None;
            loop {
                tokio::select! {
                    Ok((length, from)) = near.recv_from(&mut out) => {
                        caller = Some(from);
                        if !is_closed.load(Ordering::Relaxed) {
                            carried(&out[..length]);
                            far.send(&out[..length]).await.ok();
                        }
                    }
                    Ok(length) = far.recv(&mut back) => {
                        if let Some(caller) = caller.filter(|_| !is_closed.load(Ordering::Relaxed)) {
                            carried(&back[..length]);
                            near.send_to(&back[..length], caller).await.ok();
                        }
                    }
                }
            }
        });
        Self { address, closed, handshake_datagrams }
    }

    /// Datagrams of handshakes so far, both ways.
    pub(crate) fn handshake_datagrams(&self) -> usize {
        self.handshake_datagrams.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }
}
