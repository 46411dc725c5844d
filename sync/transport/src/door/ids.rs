//! Connection ids that a device knows for its own without a list of them, and the key of its resets.
//!
//! Both come from the device's key, so they outlive a restart: a peer that still speaks of a connection from before is
//! told at once that it is gone (RFC 9000, section 10.3), and is not taken for somebody who sends garbage.

use std::fmt;

use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;
use quinn_proto::crypto::{CryptoError, HmacKey};

use crate::error::TransportError;
use crate::identity::DeviceKey;

const NONCE_BYTES: usize = 5;
const TAG_BYTES: usize = 3;
/// Bytes of an id: so many nonces that none comes twice, and a mark that one foreign id in 16 million bears by chance.
pub(crate) const ID_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// One of a device's ports for QUIC. Each has keys of its own: or whoever reads an id on one could have the reset for it
/// made by the other (RFC 9000, section 21.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Peers,
    Newcomers,
}

/// What marks ids as a port's own. No secret of the device follows from it.
#[derive(Clone)]
pub(crate) struct IdKey([u8; 32]);

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(..)")
    }
}

impl IdKey {
    pub(crate) fn of(device: &DeviceKey, port: Port) -> Self {
        let context = match port {
            Port::Peers => "holdfast 1 connection ids of the port for peers",
            Port::Newcomers => "holdfast 1 connection ids of the port for newcomers",
        };
        Self(blake3::derive_key(context, device.signing().as_bytes()))
    }

    fn tag(&self, nonce: &[u8]) -> [u8; TAG_BYTES] {
        let hash = blake3::keyed_hash(&self.0, nonce);
        std::array::from_fn(|place| hash.as_bytes()[place])
    }

    /// Whether this port gave the id out, in this run or an earlier one.
    pub(crate) fn is_own(&self, id: &[u8]) -> bool {
        id.len() == ID_BYTES && self.tag(&id[..NONCE_BYTES]) == id[NONCE_BYTES..]
    }
}

/// Gives ids out; nobody without the key can tell two of them to be of one connection. An endpoint takes one copy.
#[derive(Clone)]
pub(crate) struct Ids {
    key: IdKey,
    /// Secret of this run.
    run: [u8; 32],
    given: u64,
}

impl Ids {
    pub(crate) fn new(key: IdKey) -> Result<Self, TransportError> {
        let mut run = [0; 32];
        getrandom::fill(&mut run).map_err(TransportError::Randomness)?;
        Ok(Self { key, run, given: 0 })
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.given += 1;
        let hash = blake3::keyed_hash(&self.run, &self.given.to_le_bytes());
        let nonce = &hash.as_bytes()[..NONCE_BYTES];
        ConnectionId::new(&[nonce, &self.key.tag(nonce)].concat())
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.key.is_own(id).then_some(()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// Makes the tokens of resets from ids.
pub(crate) struct ResetKey([u8; 32]);

impl ResetKey {
    pub(crate) fn of(device: &DeviceKey, port: Port) -> Self {
        let context = match port {
            Port::Peers => "holdfast 1 resets of the port for peers",
            Port::Newcomers => "holdfast 1 resets of the port for newcomers",
        };
        Self(blake3::derive_key(context, device.signing().as_bytes()))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature: &mut [u8]) {
        signature.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // This comparison takes the same time wherever the two differ.
        let given: [u8; blake3::OUT_LEN] = signature.try_into().map_err(|_| CryptoError)?;
        (blake3::keyed_hash(&self.0, data) == given).then_some(()).ok_or(CryptoError)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_is_known_after_a_restart_and_on_no_other_port_or_device() {
        let home = tempfile::tempdir().expect("a folder");
        let device = |name: &str| DeviceKey::load_or_create(&home.path().join(name)).expect("a key");
        let key = IdKey::of(&device("a"), Port::Peers);
        let mut ids = Ids::new(key).expect("randomness");
        let again = IdKey::of(&device("a"), Port::Peers);
        let others = [IdKey::of(&device("a"), Port::Newcomers), IdKey::of(&device("b"), Port::Peers)];
        let given: BTreeSet<ConnectionId> = (0..1_000).map(|_| ids.generate_cid()).collect();
        assert_eq!(given.len(), 1_000, "one came twice");
        assert!(given.iter().all(|id| again.is_own(id) && ids.validate(id).is_ok()));
        let mistaken = given.iter().filter(|id| others.iter().any(|other| other.is_own(id))).count();
        assert!(mistaken <= 1, "{mistaken} of 1,000 are taken for another's");
        assert!(!again.is_own(&[]) && !again.is_own(&[0; 20]));
    }

    #[test]
    fn a_token_of_a_reset_holds_for_its_id_alone() {
        let home = tempfile::tempdir().expect("a folder");
        let device = DeviceKey::load_or_create(&home.path().join("a")).expect("a key");
        let (key, other) = (ResetKey::of(&device, Port::Peers), ResetKey::of(&device, Port::Newcomers));
        let mut token = vec![0; key.signature_len()];
        key.sign(b"12345678", &mut token);
        assert!(key.verify(b"12345678", &token).is_ok());
        assert!(key.verify(b"12345679", &token).is_err() && other.verify(b"12345678", &token).is_err());
        assert!(key.verify(b"12345678", &token[1..]).is_err());
    }
}
