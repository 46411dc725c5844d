//! TLS settings: version 1.3 alone, certificates on both sides, one root, time from a floor.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_domain::identity::PublicKey;
use holdfast_domain::limits::LINKS_MAX;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, TicketRequest, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use crate::error::TransportError;
use crate::identity::{DeviceKey, Membership, certified_key};

/// Time for certificates: the machine's, but never before the floor. A Pi that boots in 1970 still joins.
#[derive(Debug)]
struct FlooredTime {
    floor_ms: u64,
}

impl TimeProvider for FlooredTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(floored_time(self.floor_ms)))
    }
}

/// The time by which certificates are judged, since 1970.
pub(crate) fn floored_time(floor_ms: u64) -> Duration {
    let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    machine.max(Duration::from_millis(floor_ms))
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn root(membership: &Membership) -> Result<Arc<RootCertStore>, TransportError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(membership.ca.clone()))?;
    Ok(Arc::new(roots))
}

fn private_key(key: &DeviceKey) -> Result<PrivateKeyDer<'static>, TransportError> {
    Ok(PrivatePkcs8KeyDer::from(key.pkcs8()?).into())
}

fn wrong(error: impl std::fmt::Display) -> TransportError {
    TransportError::Certificate { fault: error.to_string() }
}

/// For the side that is dialled.
pub fn peer_server(
    key: &DeviceKey,
    membership: &Membership,
    floor_ms: u64,
) -> Result<QuicServerConfig, TransportError> {
    let clients = WebPkiClientVerifier::builder_with_provider(root(membership)?, provider()).build().map_err(wrong)?;
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(FlooredTime { floor_ms }))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(membership.leaf(), private_key(key)?)?;
    config.alpn_protocols = vec![holdfast_domain::frame::ALPN.to_vec()];
    // Kept here and not sealed into the ticket, so that each opens one session only.
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_KEPT);
    config.send_tls13_tickets = 1;
    config.max_tls13_tickets = usize::from(TICKETS_AT_FIRST);
    QuicServerConfig::try_from(config).map_err(wrong)
}

/// Sessions that can be resumed, about 1.5 kB each: those of as many peers as may be connected.
const SESSIONS_KEPT: usize = 2 * LINKS_MAX;
/// Tickets of a full handshake, 75 bytes each; attempts that nobody hears use them up. A resumed one gives one for the one
/// it took (RFC 9149).
const TICKETS_AT_FIRST: u8 = 6;

/// For the side that dials; it remembers sessions only if told to.
pub fn peer_client(
    key: &DeviceKey,
    membership: &Membership,
    floor_ms: u64,
) -> Result<rustls::ClientConfig, TransportError> {
    let servers = WebPkiServerVerifier::builder_with_provider(root(membership)?, provider()).build().map_err(wrong)?;
    let mut config = rustls::ClientConfig::builder_with_details(provider(), Arc::new(FlooredTime { floor_ms }))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_webpki_verifier(servers)
        .with_client_auth_cert(membership.leaf(), private_key(key)?)?;
    config.alpn_protocols = vec![holdfast_domain::frame::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.send_ticket_request = Some(TicketRequest { new_session_count: TICKETS_AT_FIRST, resumption_count: 1 });
    Ok(config)
}

/// The same for QUIC.
pub fn quic_client(config: rustls::ClientConfig) -> Result<QuicClientConfig, TransportError> {
    QuicClientConfig::try_from(config).map_err(wrong)
}

/// For the door at which newcomers enrol: the authority's device shows its chain, the newcomer has none yet.
pub(crate) fn enrol_server(
    key: &DeviceKey,
    membership: &Membership,
    alpn: &[u8],
) -> Result<QuicServerConfig, TransportError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(membership.chain(), private_key(key)?)?;
    config.alpn_protocols = vec![alpn.to_vec()];
    QuicServerConfig::try_from(config).map_err(wrong)
}

/// Accepts exactly one authority: the one whose key the token names, shown as the last certificate of the chain.
#[derive(Debug)]
struct PinnedAuthority {
    authority: PublicKey,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let ca = intermediates.last().filter(|ca| certified_key(ca) == Some(self.authority)).ok_or_else(refused)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        // From here on rustls decides: the chain must lead to this root.
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|_| refused())?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// For a newcomer, who knows of its authority only the key in its token. A Pi in 1970 must be able to enrol: the time
/// that counts is no earlier than the first certificate of any org.
pub(crate) fn enrol_client(authority: PublicKey, alpn: &[u8]) -> Result<QuicClientConfig, TransportError> {
    let pinned = PinnedAuthority { authority, provider: provider() };
    let floor = Arc::new(FlooredTime { floor_ms: FIRST_CERTIFICATE_MS });
    let mut config = rustls::ClientConfig::builder_with_details(provider(), floor)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    QuicClientConfig::try_from(config).map_err(wrong)
}

/// Certificates of an org are valid from here on (1 January 2020).
const FIRST_CERTIFICATE_MS: u64 = 1_577_836_800_000;
