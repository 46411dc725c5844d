//! Sealing: bodies of parcels that only recipients can read, in the format of age (`age-encryption.org/v1`, X25519).
//!
//! A device's key for sealing is its signing key, moved from Ed25519 to X25519 by the birational map of RFC 7748. So
//! whoever holds a device's credential can seal to it, with nothing to exchange and no further secret to keep; age does
//! the same for SSH keys. One key pair for Ed25519 and X25519 is safe as used here (Thormarker, "On using the same key
//! pair for Ed25519 and an X25519 based KEM", 2021).

use std::io::{Read, Write};
use std::str::FromStr;

use bech32::{Bech32, Hrp};
use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_domain::identity::PublicKey;
use holdfast_domain::limits::PARCEL_BYTES_MAX;
use holdfast_domain::parcel::ParcelError;

use crate::handle::Failed;

/// Somebody who may read a sealed parcel.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Recipient {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Recipient {
    /// The device with this key; `None` for bytes that are no key.
    pub fn of_device(key: &PublicKey) -> Option<Self> {
        let point = VerifyingKey::from_bytes(&key.0).ok()?.to_montgomery();
        bech32::encode::<Bech32>(Hrp::parse("age").ok()?, point.as_bytes()).ok()?.parse().ok()
    }
}

/// What opens bodies sealed to this device.
pub struct ParcelKey(Option<age::x25519::Identity>);

impl ParcelKey {
    /// The key of the device that signs with `signing`.
    pub fn of_device(signing: &SigningKey) -> Self {
        let secret = signing.to_scalar_bytes();
        let text = Hrp::parse("age-secret-key-").ok().and_then(|hrp| bech32::encode_upper::<Bech32>(hrp, &secret).ok());
        Self(text.and_then(|text| text.parse().ok()))
    }

    /// Opens a sealed body.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, ParcelError> {
        let malformed = |fault: String| ParcelError::Malformed { fault: format!("its seal is none: {fault}") };
        let identity = self.0.as_ref().ok_or(ParcelError::SealedToOthers)?;
        let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| malformed(error.to_string()))?;
        let opened = match decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)) {
            Err(age::DecryptError::NoMatchingKeys) => return Err(ParcelError::SealedToOthers),
            opened => opened.map_err(|error| malformed(error.to_string()))?,
        };
        let mut bytes = Vec::new();
        opened.take(PARCEL_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(|error| malformed(error.to_string()))?;
        Ok(bytes)
    }
}

/// Seals a body to recipients, of whom there is at least one.
pub fn seal(body: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, Failed> {
    let sealed = || -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let recipients = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
        let mut out = Vec::with_capacity(body.len() + 1024);
        let mut writer = age::Encryptor::with_recipients(recipients)?.wrap_output(&mut out)?;
        writer.write_all(body)?;
        writer.finish()?;
        Ok(out)
    };
    sealed().map_err(Failed::Sealing)
}
