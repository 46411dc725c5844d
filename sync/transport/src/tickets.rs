//! What lets a peer that was met before be met again for less: its tickets, and what a round trip with it took.
//!
//! A ticket is kept per address, since all members carry one name. It opens only sessions between the same two members of
//! one authority: the settings here and the memory of the answering end belong to one endpoint with one membership, and
//! TLS 1.3 binds a ticket to the certificates of both ends that were verified when it was given out. Certificates are
//! looked at again when a session is resumed, see [`crate::identity::is_in_force`].
//!
//! The dialling end sends nothing before the peer has answered, though the protocol would bear it (0-RTT): a link must not
//! be announced to the engine, and shown to people, while it is unknown whether anybody is there. The answering end does
//! speak at once when a session is resumed (0.5-RTT): the ticket's secret proves the dialler's device, works once only, and
//! what is said can be read by nobody without it. So a known peer hears the first useful byte after one round trip.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_domain::limits::LINKS_MAX;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;

use crate::error::TransportError;
use crate::profile::Met;
use crate::tls;

/// Tickets kept for one address.
const TICKETS_EACH: usize = 8;

/// Whether an attempt may spend a ticket. One is gone with the attempt, even if nobody was there to take it, so a peer that
/// does not answer is tried without one mostly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spending {
    Spend,
    Spare,
}

/// The tickets for one address, for attempts that spend one or do not; either gains what the peer gives.
#[derive(Debug)]
struct Purse {
    tickets: Arc<ClientSessionMemoryCache>,
    spending: Spending,
}

impl ClientSessionStore for Purse {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.tickets.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.tickets.kx_hint(server_name)
    }

    fn set_tls12_session(&self, _server_name: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server_name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tickets.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        (self.spending == Spending::Spend).then(|| self.tickets.take_tls13_ticket(server_name)).flatten()
    }
}

/// Settings for one address.
#[derive(Clone)]
struct Settings {
    spend: Arc<QuicClientConfig>,
    spare: Arc<QuicClientConfig>,
}

/// Settings for dialling with a memory of tickets per address, and of the way to each machine.
pub(crate) struct Tickets {
    base: rustls::ClientConfig,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    settings: BTreeMap<SocketAddr, Settings>,
    met: BTreeMap<IpAddr, Met>,
}

/// Peers that move leave addresses behind; which of them is forgotten costs one full handshake.
fn keep<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.insert(key, value);
    if map.len() > LINKS_MAX {
        map.pop_first();
    }
}

impl Tickets {
    pub(crate) fn new(base: rustls::ClientConfig) -> Self {
        Self { base, memory: Mutex::default() }
    }

    /// The settings for an address, with such tickets as there are.
    pub(crate) fn settings(
        &self,
        address: SocketAddr,
        spending: Spending,
    ) -> Result<Arc<QuicClientConfig>, TransportError> {
        let mut memory = self.memory();
        let settings = match memory.settings.get(&address) {
            Some(settings) => settings.clone(),
            None => {
                let settings = self.fresh()?;
                keep(&mut memory.settings, address, settings.clone());
                settings
            }
        };
        Ok(if spending == Spending::Spend { settings.spend } else { settings.spare })
    }

    fn fresh(&self) -> Result<Settings, TransportError> {
        let tickets = Arc::new(ClientSessionMemoryCache::new(TICKETS_EACH));
        let settings = |spending| {
            let mut config = self.base.clone();
            config.resumption = Resumption::store(Arc::new(Purse { tickets: Arc::clone(&tickets), spending }));
            tls::quic_client(config).map(Arc::new)
        };
        Ok(Settings { spend: settings(Spending::Spend)?, spare: settings(Spending::Spare)? })
    }

    /// Forgets the tickets for an address.
    pub(crate) fn forget(&self, address: SocketAddr) {
        self.memory().settings.remove(&address);
    }

    /// Remembers what was seen of the way to a machine. A rate once measured stays until another one is.
    pub(crate) fn note_met(&self, address: SocketAddr, met: Met) {
        let mut memory = self.memory();
        let before = memory.met.get(&address.ip()).and_then(|before| before.rate_bps);
        keep(&mut memory.met, address.ip(), Met { rate_bps: met.rate_bps.or(before), ..met });
    }

    /// What was seen of the way to this machine when it was last met.
    pub(crate) fn met(&self, address: SocketAddr) -> Option<Met> {
        self.memory().met.get(&address.ip()).copied()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
