//! Enrolment: a newcomer with a one-time token, and the door of the authority at which it knocks.
//!
//! The token pins the authority's key, so a false hub is found out before the secret leaves the newcomer. The newcomer
//! proves that it holds its key by signing what this very TLS session exports (RFC 5705), so an answer can't be replayed.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::Signer;
use holdfast_domain::entry::Signature;
use holdfast_domain::identity::PublicKey;
use holdfast_domain::limits::{ENROL_FRAME_BYTES_MAX, ENROLS_WAITING_MAX};
use quinn::{Connection, Endpoint, Incoming};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::door::Door;
use crate::door::ids::Port;
use crate::error::{EnrolError, TransportError};
use crate::identity::{DeviceKey, Membership, SERVER_NAME};
use crate::{profile, tls};

const ALPN: &[u8] = b"holdfast-enrol/1";
const PREFIX: &str = "hfi1.";
/// An honest newcomer says its one sentence at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an invitation is: where to knock, whom to trust, and the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// `host:port` of the authority's door.
    pub address: String,
    /// The authority's key.
    pub authority: PublicKey,
    /// Worth one enrolment.
    pub secret: [u8; 16],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret has no place in a log.
        write!(f, "Token({})", self.address)
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = postcard::to_stdvec(self).map_err(|_| std::fmt::Error)?;
        f.write_str(PREFIX)?;
        let check = blake3::hash(&bytes);
        bytes.iter().chain(&check.as_bytes()[..4]).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Token {
    type Err = EnrolError;
    fn from_str(text: &str) -> Result<Self, EnrolError> {
        let hex = text.trim().strip_prefix(PREFIX).ok_or(EnrolError::Token)?;
        let digits: Vec<u8> = hex
            .chars()
            .map(|digit| digit.to_digit(16).map(|value| value as u8))
            .collect::<Option<_>>()
            .ok_or(EnrolError::Token)?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        let (body, check) = bytes.split_last_chunk::<4>().ok_or(EnrolError::Token)?;
        if !digits.len().is_multiple_of(2) || blake3::hash(body).as_bytes()[..4] != check[..] {
            return Err(EnrolError::Token);
        }
        postcard::from_bytes(body).map_err(|_| EnrolError::Token)
    }
}

/// What the newcomer says.
#[derive(Serialize, Deserialize)]
struct Knock {
    secret: [u8; 16],
    device: PublicKey,
    proof: Signature,
}

/// What the authority says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolGrant {
    /// All that the newcomer needs to be a member.
    pub membership: Membership,
    /// A peer to dial first.
    pub peer: Option<String>,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolRefusal {
    /// The invitation is unknown, used or past its time; which of them is not told.
    UnknownUsedOrExpired,
    /// Not now.
    Busy,
}

/// A newcomer whose key is proved, for whoever knows the invitations.
#[derive(Debug)]
pub struct EnrolRequest {
    /// BLAKE3 of the secret.
    pub secret_hash: [u8; 32],
    /// The newcomer's key.
    pub device: PublicKey,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<EnrolGrant, EnrolRefusal>>,
}

/// What the newcomer signs: a label and what both ends of this TLS session alone can know.
fn proof_text(connection: &Connection) -> Option<Vec<u8>> {
    let mut exported = [0; 32];
    connection.export_keying_material(&mut exported, b"EXPORTER-holdfast-enrol", b"").ok()?;
    Some([b"holdfast enrol v1".as_slice(), &exported].concat())
}

/// Opens the door, within the tokio runtime at hand. Requests come out as they arrive; a full queue makes newcomers wait.
pub fn serve(
    listen: SocketAddr,
    key: &DeviceKey,
    membership: &Membership,
    door: &Arc<Door>,
) -> Result<(SocketAddr, mpsc::Receiver<EnrolRequest>), TransportError> {
    let crypto = tls::enrol_server(key, membership, ALPN)?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(profile::enrolment());
    let endpoint = door.open(server, listen, key, Port::Newcomers, Arc::default())?;
    let address = endpoint.local_addr().map_err(|source| TransportError::Bind { address: listen, source })?;
    let (requests, receiver) = mpsc::channel(ENROLS_WAITING_MAX);
    tokio::spawn(keep_door(endpoint, requests, Arc::clone(door)));
    Ok((address, receiver))
}

async fn keep_door(endpoint: Endpoint, requests: mpsc::Sender<EnrolRequest>, door: Arc<Door>) {
    let places = Arc::new(Semaphore::new(ENROLS_WAITING_MAX));
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = requests.closed() => None,
        };
        let Some(incoming) = incoming else { return };
        if !incoming.remote_address_validated() {
            // A round trip more is nothing to a newcomer, and forged addresses take nobody's place. It may always be asked.
            incoming.retry().ok();
            continue;
        }
        door.begins(&incoming.orig_dst_cid());
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (requests, door) = (requests.clone(), Arc::clone(&door));
        tokio::spawn(async move {
            let _place = place;
            let address = incoming.remote_address();
            match tokio::time::timeout(PATIENCE, answer(incoming, requests)).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => door.not_enrolled(address, fault),
                Err(_) => door.not_enrolled(address, "it said nothing".to_owned()),
            }
        });
    }
}

async fn answer(incoming: Incoming, requests: mpsc::Sender<EnrolRequest>) -> Result<(), String> {
    let wrong = |error: &dyn std::error::Error| error.to_string();
    let connection = incoming.accept().map_err(|error| wrong(&error))?.await.map_err(|error| wrong(&error))?;
    let (mut out, mut incoming) = connection.accept_bi().await.map_err(|error| wrong(&error))?;
    let bytes = incoming.read_to_end(ENROL_FRAME_BYTES_MAX).await.map_err(|error| wrong(&error))?;
    let knock: Knock = postcard::from_bytes(&bytes).map_err(|error| wrong(&error))?;
    let text = proof_text(&connection).ok_or("this session exports nothing")?;
    if !knock.device.verifies(&text, &knock.proof) {
        return Err("the newcomer does not hold the key it names".to_owned());
    }
    let (reply, grant) = oneshot::channel();
    let secret_hash = blake3::hash(&knock.secret).into();
    requests.send(EnrolRequest { secret_hash, device: knock.device, reply }).await.map_err(|error| wrong(&error))?;
    let grant: Result<EnrolGrant, EnrolRefusal> = grant.await.unwrap_or(Err(EnrolRefusal::Busy));
    let bytes = postcard::to_stdvec(&grant).map_err(|error| wrong(&error))?;
    out.write_all(&bytes).await.map_err(|error| wrong(&error))?;
    out.finish().map_err(|error| wrong(&error))?;
    // The newcomer closes once it has read everything.
    connection.closed().await;
    match grant {
        Ok(_) => Ok(()),
        Err(EnrolRefusal::UnknownUsedOrExpired) => Err("its token is unknown, used or past its time".to_owned()),
        Err(EnrolRefusal::Busy) => Err("this node was busy".to_owned()),
    }
}

/// Redeems a token. Gives what makes this device a member, and a peer to dial first.
pub async fn enrol(token: &Token, key: &DeviceKey) -> Result<(Membership, Option<String>), EnrolError> {
    let connection = tokio::time::timeout(PATIENCE, knock_at(token))
        .await
        .map_err(|_| unreachable(token, "no answer in time"))??;
    let grant = tokio::time::timeout(PATIENCE, ask(&connection, token, key))
        .await
        .map_err(|_| unreachable(token, "no answer in time"))??;
    connection.close(0_u32.into(), b"thank you");
    let grant = grant.map_err(|refusal| match refusal {
        EnrolRefusal::UnknownUsedOrExpired => EnrolError::Refused,
        EnrolRefusal::Busy => EnrolError::Busy,
    })?;
    if grant.membership.authority != token.authority || grant.membership.check(key).is_err() {
        return Err(EnrolError::BadGrant);
    }
    Ok((grant.membership, grant.peer))
}

fn unreachable(token: &Token, fault: impl std::fmt::Display) -> EnrolError {
    EnrolError::Unreachable { address: token.address.clone(), fault: fault.to_string() }
}

async fn knock_at(token: &Token) -> Result<Connection, EnrolError> {
    let target = tokio::net::lookup_host(&token.address)
        .await
        .map_err(|error| unreachable(token, error))?
        .next()
        .ok_or_else(|| unreachable(token, "the name has no address"))?;
    let any = SocketAddr::from((
        if target.is_ipv4() { "0.0.0.0" } else { "::" }
            .parse::<std::net::IpAddr>()
            .map_err(|error| unreachable(token, error))?,
        0,
    ));
    let mut endpoint = Endpoint::client(any).map_err(|error| unreachable(token, error))?;
    let crypto = tls::enrol_client(token.authority, ALPN).map_err(|error| unreachable(token, error))?;
    let mut client = quinn::ClientConfig::new(Arc::new(crypto));
    client.transport_config(profile::enrolment());
    endpoint.set_default_client_config(client);
    let connecting = endpoint.connect(target, SERVER_NAME).map_err(|error| unreachable(token, error))?;
    connecting.await.map_err(|error| match &error {
        quinn::ConnectionError::TransportError(fault)
            if fault.code.to_string().contains("crypto") || u64::from(fault.code) >= 0x100 =>
        {
            EnrolError::Impostor { address: token.address.clone() }
        }
        _ => unreachable(token, error),
    })
}

async fn ask(
    connection: &Connection,
    token: &Token,
    key: &DeviceKey,
) -> Result<Result<EnrolGrant, EnrolRefusal>, EnrolError> {
    let text = proof_text(connection).ok_or(EnrolError::BadGrant)?;
    let proof = Signature(key.signing().sign(&text).to_bytes());
    let knock = Knock { secret: token.secret, device: key.public(), proof };
    let bytes = postcard::to_stdvec(&knock).map_err(|error| unreachable(token, error))?;
    let (mut out, mut incoming) = connection.open_bi().await.map_err(|error| unreachable(token, error))?;
    out.write_all(&bytes).await.map_err(|error| unreachable(token, error))?;
    out.finish().map_err(|error| unreachable(token, error))?;
    let bytes = incoming.read_to_end(ENROL_FRAME_BYTES_MAX).await.map_err(|error| unreachable(token, error))?;
    postcard::from_bytes(&bytes).map_err(|_| EnrolError::BadGrant)
}
