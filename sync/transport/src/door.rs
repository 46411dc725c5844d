//! The door: what comes to a port and is not let in is counted, and told of once per address.

pub(crate) mod firsts;
pub(crate) mod hush;
pub(crate) mod ids;
pub(crate) mod socket;
pub mod told;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use holdfast_domain::api::TurnedAway;
use holdfast_domain::limits::LINKS_MAX;
use quinn::Runtime;
use quinn::{ConnectionError, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};

use crate::door::firsts::Firsts;
use crate::door::hush::Hush;
use crate::door::ids::{IdKey, Ids, Port, ResetKey};
use crate::door::socket::{Unfit, VERSION, WatchedSocket};
use crate::door::told::{Say, Told};
use crate::error::TransportError;
use crate::identity::DeviceKey;

/// Keeps the ports of a node. One for all of them, so that a sender is told of once.
#[derive(Debug, Default)]
pub struct Door {
    not_quic: AtomicU64,
    other_version: AtomicU64,
    to_nobody: AtomicU64,
    other_org: AtomicU64,
    untrusted: AtomicU64,
    unfinished: AtomicU64,
    not_enrolled: AtomicU64,
    bad_frame: AtomicU64,
    silent: AtomicU64,
    datagrams_told: Mutex<Told<IpAddr>>,
    handshakes_told: Mutex<Told<IpAddr>>,
    links_told: Mutex<Told<(IpAddr, Misuse)>>,
    newcomers_told: Mutex<Told<(IpAddr, String)>>,
    familiar: Mutex<BTreeMap<SocketAddr, usize>>,
    firsts: Mutex<Firsts>,
}

/// Which side of a handshake this node was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opener {
    Here,
    There,
}

/// What a peer does with its link that ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Misuse {
    /// It sends what is no frame, or more at once than it may.
    BadFrame,
    /// It never says a whole frame, and others want its place.
    Silent,
}

/// Why a handshake came to nothing, where trust is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distrust {
    OtherOrg,
    Other,
}

/// Alerts of TLS are told as errors of QUIC from here on (RFC 9001, section 4.8).
const TLS_ALERTS: std::ops::Range<u64> = 0x100..0x200;
/// The certificate's authority is not known (RFC 8446, section 6.2).
const UNKNOWN_CA: u64 = 0x100 + 48;

impl Door {
    /// Opens a port for QUIC, on which attempts that are given up are hushed.
    pub(crate) fn open(
        self: &Arc<Self>,
        server: ServerConfig,
        address: SocketAddr,
        device: &DeviceKey,
        port: Port,
        hush: Arc<Hush>,
    ) -> Result<Endpoint, TransportError> {
        let ids = IdKey::of(device, port);
        let given = Ids::new(ids.clone())?;
        let mut config = EndpointConfig::new(Arc::new(ResetKey::of(device, port)));
        config
            .cid_generator(move || Box::new(given.clone()))
            .supported_versions(vec![VERSION])
            // A datagram that lacks the bit is nobody's, and is known at sight.
            .grease_quic_bit(false);
        let open = || {
            let socket = TokioRuntime.wrap_udp_socket(std::net::UdpSocket::bind(address)?)?;
            let socket = Arc::new(WatchedSocket::new(socket, ids, Arc::clone(self), hush));
            Endpoint::new_with_abstract_socket(config, Some(server), socket, Arc::new(TokioRuntime))
        };
        open().map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => TransportError::PortInUse { address },
            _ => TransportError::Bind { address, source },
        })
    }

    /// What was turned away since the start.
    pub fn turned_away(&self) -> TurnedAway {
        self.judge_firsts(Instant::now());
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TurnedAway {
            datagrams_not_quic: read(&self.not_quic),
            datagrams_other_version: read(&self.other_version),
            datagrams_to_nobody: read(&self.to_nobody),
            handshakes_other_org: read(&self.other_org),
            handshakes_untrusted: read(&self.untrusted),
            handshakes_unfinished: read(&self.unfinished),
            enrolments_failed: read(&self.not_enrolled),
            links_bad_frame: read(&self.bad_frame),
            links_silent: read(&self.silent),
        }
    }

    /// A link with this address stands: the reset of a lost peer may come from it, and no line is made of that.
    pub(crate) fn meets(&self, address: SocketAddr) {
        let mut familiar = self.familiar();
        *familiar.entry(address).or_default() += 1;
        // Addresses stay for a while after their links; which of those goes first costs one line at most.
        if familiar.len() > LINKS_MAX {
            let gone = familiar.iter().find(|(_, links)| **links == 0).map(|(gone, _)| *gone);
            gone.map(|gone| familiar.remove(&gone));
        }
    }

    /// A link with this address has ended.
    pub(crate) fn parts(&self, address: SocketAddr) {
        if let Some(links) = self.familiar().get_mut(&address) {
            *links = links.saturating_sub(1);
        }
    }

    /// A first packet came, for an id of the dialler's choice, that looks as it should.
    pub(crate) fn first_packet(&self, id: &[u8], source: SocketAddr, bytes: usize) {
        let now = Instant::now();
        self.firsts().came(now, id, source, bytes);
        self.judge_firsts(now);
    }

    /// QUIC could open a first packet, and began a connection with it.
    pub(crate) fn begins(&self, id: &[u8]) {
        self.firsts().begun(id);
    }

    /// Counts first packets of which nothing came: whoever sent them does not speak QUIC, or they were altered.
    fn judge_firsts(&self, now: Instant) {
        while let Some(unopened) = { self.firsts().overdue(now) } {
            self.unfit_datagram(unopened.source, Unfit::NotQuic, unopened.bytes);
        }
    }

    fn firsts(&self) -> MutexGuard<'_, Firsts> {
        self.firsts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A datagram came to a port that is of no use there.
    pub(crate) fn unfit_datagram(&self, source: SocketAddr, fault: Unfit, bytes: usize) {
        let count = match fault {
            Unfit::NotQuic => &self.not_quic,
            Unfit::OtherVersion => &self.other_version,
            Unfit::ToNobody => &self.to_nobody,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if fault == Unfit::ToNobody && self.familiar().contains_key(&source) {
            return;
        }
        match tell(&self.datagrams_told, source.ip().to_canonical()) {
            Say::Nothing => {}
            Say::More => tracing::warn!(
                "unfit datagrams come from more addresses than are named here, maybe forged ones; they are only counted for \
                 the next minutes (see `status`). If links suffer, let only your own networks reach this port"
            ),
            Say::All => match fault {
                Unfit::NotQuic => tracing::warn!(
                    %source, bytes,
                    "somebody sends what is no QUIC to this port; it is passed over. If it goes on, find out who it is, \
                     or keep that address out"
                ),
                Unfit::OtherVersion => tracing::warn!(
                    %source, bytes,
                    "somebody speaks a version of QUIC that this node does not; if it is one of yours, update the older \
                     of the two"
                ),
                Unfit::ToNobody => tracing::warn!(
                    %source, bytes,
                    "somebody speaks of a connection that this node never had; it is passed over. If it is one of yours, \
                     its address or this one's was given to another device"
                ),
            },
        }
    }

    /// A handshake, or a connection soon after it, ended so. Only distrust is told of; whoever merely does not answer is
    /// no news.
    pub(crate) fn ended(&self, address: SocketAddr, opener: Opener, error: &ConnectionError) {
        match distrust(error) {
            None => {}
            Some(Distrust::OtherOrg) => self.other_org(address, opener),
            Some(Distrust::Other) => self.untrusted(address, opener, &error.to_string()),
        }
    }

    fn other_org(&self, address: SocketAddr, opener: Opener) {
        self.other_org.fetch_add(1, Ordering::Relaxed);
        match (tell(&self.handshakes_told, address.ip().to_canonical()), opener) {
            (Say::Nothing, _) => {}
            (Say::More, _) => more_handshakes(),
            (Say::All, Opener::Here) => tracing::warn!(
                %address,
                "whoever answers there belongs to another org, and no link is made. Check the address in `--peer` and in \
                 the file `peers`; a device that should be of this org must be enrolled at its command post"
            ),
            (Say::All, Opener::There) => tracing::warn!(
                %address,
                "a device of another org dialled this node and was turned away. If it should be of this org, enrol it at \
                 your command post; if not, nothing needs to be done"
            ),
        }
    }

    /// The other end shows no certificate that is good now, or finds none here.
    pub(crate) fn untrusted(&self, address: SocketAddr, opener: Opener, fault: &str) {
        self.untrusted.fetch_add(1, Ordering::Relaxed);
        match tell(&self.handshakes_told, address.ip().to_canonical()) {
            Say::Nothing => {}
            Say::More => more_handshakes(),
            Say::All => tracing::warn!(
                %address, fault, dialled = opener == Opener::Here,
                "no link is made with whoever is there: the two do not trust each other's certificates. Check the clocks of \
                 both; if a certificate is past its time, enrol that device anew"
            ),
        }
    }

    /// A handshake that somebody began took too long, or lost its place to others.
    pub(crate) fn unfinished(&self, address: SocketAddr) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        match tell(&self.handshakes_told, address.ip().to_canonical()) {
            Say::Nothing => {}
            Say::More => more_handshakes(),
            Say::All => tracing::warn!(
                %address,
                "a handshake that somebody began was given up: it took too long, or others wanted its place. If it goes on \
                 while links there are good, keep that address out"
            ),
        }
    }

    /// A newcomer was not enrolled.
    pub(crate) fn not_enrolled(&self, address: SocketAddr, fault: String) {
        self.not_enrolled.fetch_add(1, Ordering::Relaxed);
        match tell(&self.newcomers_told, (address.ip().to_canonical(), fault.clone())) {
            Say::Nothing => {}
            Say::More => tracing::warn!("more enrolments come to nothing than are named here (see `status`)"),
            Say::All => tracing::warn!(
                %address, fault,
                "an enrolment came to nothing. If it is one of yours, make a fresh invitation and try again"
            ),
        }
    }

    /// A link is closed for what its peer, whose device is proved, does with it.
    pub(crate) fn misused(&self, address: SocketAddr, misuse: Misuse) {
        let count = match misuse {
            Misuse::BadFrame => &self.bad_frame,
            Misuse::Silent => &self.silent,
        };
        count.fetch_add(1, Ordering::Relaxed);
        match (tell(&self.links_told, (address.ip().to_canonical(), misuse)), misuse) {
            (Say::Nothing, _) => {}
            (Say::More, _) => tracing::warn!("more peers misuse their links than are named here (see `status`)"),
            (Say::All, Misuse::BadFrame) => tracing::warn!(
                %address,
                "a peer sent what is no frame, or more at once than it may; its link is closed. Look at that device, or update it"
            ),
            (Say::All, Misuse::Silent) => tracing::warn!(
                %address,
                "a peer that never said a whole word lost its place to others. If it goes on, look at that device"
            ),
        }
    }

    fn familiar(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, usize>> {
        self.familiar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn more_handshakes() {
    tracing::warn!(
        "devices of other orgs, without a good certificate, or that finish no handshake dial from more addresses than are named here; they are only \
         counted for the next minutes (see `status`)"
    );
}

fn tell<K: Ord>(told: &Mutex<Told<K>>, culprit: K) -> Say {
    told.lock().unwrap_or_else(PoisonError::into_inner).tell(Instant::now(), culprit)
}

fn distrust(error: &ConnectionError) -> Option<Distrust> {
    let code = match error {
        ConnectionError::TransportError(here) => u64::from(here.code),
        ConnectionError::ConnectionClosed(there) => u64::from(there.error_code),
        _ => return None,
    };
    match code {
        UNKNOWN_CA => Some(Distrust::OtherOrg),
        code => TLS_ALERTS.contains(&code).then_some(Distrust::Other),
    }
}
