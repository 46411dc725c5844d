//! Keys and certificates: the device's own, the org's authority, and what a member holds of its org.

use std::path::Path;

use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::entry::Signature;
use holdfast_domain::identity::{DeviceCredential, DeviceId, DeviceRole, OrgId, PublicKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, PublicKeyData, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use crate::error::TransportError;
use crate::secret_file;

/// The name in every device certificate. Peers are told apart by their key, not by a name that a network could give.
pub(crate) const SERVER_NAME: &str = "node.holdfast.internal";

/// Validity of a device certificate, in days: an exercise season and its winter, with room to renew.
const CERTIFICATE_DAYS: u64 = 825;

fn fresh_key() -> Result<SigningKey, TransportError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(TransportError::Randomness)?;
    Ok(SigningKey::from_bytes(&secret))
}

fn load_key(path: &Path) -> Result<SigningKey, TransportError> {
    let bytes = secret_file::read(path)?;
    SigningKey::from_pkcs8_der(&bytes)
        .map_err(|error| TransportError::Damaged { path: path.to_owned(), fault: error.to_string() })
}

fn load_or_create_key(path: &Path) -> Result<SigningKey, TransportError> {
    if path.exists() {
        return load_key(path);
    }
    let key = fresh_key()?;
    secret_file::write(path, &pkcs8(&key)?)?;
    Ok(key)
}

fn pkcs8(key: &SigningKey) -> Result<Vec<u8>, TransportError> {
    let der = key.to_pkcs8_der().map_err(|error| TransportError::Certificate { fault: error.to_string() })?;
    Ok(der.as_bytes().to_vec())
}

fn key_pair(key: &SigningKey) -> Result<KeyPair, TransportError> {
    let der = PrivatePkcs8KeyDer::from(pkcs8(key)?);
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519)?)
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

/// The device's private key, made on the device; it never leaves it.
#[derive(Clone)]
pub struct DeviceKey {
    signing: SigningKey,
}

impl DeviceKey {
    /// Loads the key, or makes one if there is no file.
    pub fn load_or_create(path: &Path) -> Result<Self, TransportError> {
        load_or_create_key(path).map(|signing| Self { signing })
    }

    /// Loads the key. A file that others may read is refused.
    pub fn load(path: &Path) -> Result<Self, TransportError> {
        load_key(path).map(|signing| Self { signing })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        public(&self.signing)
    }

    /// The device that holds this key.
    pub fn device(&self) -> DeviceId {
        DeviceId::of(&self.public())
    }

    /// The key that signs entries.
    pub fn signing(&self) -> SigningKey {
        self.signing.clone()
    }

    pub(crate) fn pkcs8(&self) -> Result<Vec<u8>, TransportError> {
        pkcs8(&self.signing)
    }
}

/// The org's authority: whoever holds this key says who belongs to the org.
#[derive(Clone)]
pub struct Authority {
    signing: SigningKey,
}

/// The key that another device wants certified.
struct Newcomer(PublicKey);

impl PublicKeyData for Newcomer {
    fn der_bytes(&self) -> &[u8] {
        &self.0.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl Authority {
    /// Loads the authority, or makes one if there is no file.
    pub fn load_or_create(path: &Path) -> Result<Self, TransportError> {
        load_or_create_key(path).map(|signing| Self { signing })
    }

    /// Loads the authority. A file that others may read is refused.
    pub fn load(path: &Path) -> Result<Self, TransportError> {
        load_key(path).map(|signing| Self { signing })
    }

    /// The public half, which every member knows.
    pub fn public(&self) -> PublicKey {
        public(&self.signing)
    }

    /// The org's word for a device.
    pub fn vouch(&self, key: &PublicKey, name: &str, role: DeviceRole, issued_ms: u64) -> DeviceCredential {
        let mut device = DeviceCredential {
            org: OrgId::of(&self.public()),
            key: *key,
            name: name.to_owned(),
            role,
            issued_ms,
            signature: Signature([0; 64]),
        };
        device.signature = Signature(self.signing.sign(&device.signed_text()).to_bytes());
        device
    }

    /// All that a device needs to be a member: certificates beside the org's word for it.
    pub fn admit(&self, key: &PublicKey, credential: DeviceCredential) -> Result<Membership, TransportError> {
        self.admit_for(key, credential, CERTIFICATE_DAYS)
    }

    /// The same with another validity, in days after the credential was issued.
    pub fn admit_for(
        &self,
        key: &PublicKey,
        credential: DeviceCredential,
        days: u64,
    ) -> Result<Membership, TransportError> {
        let params = ca_params(&credential.org);
        let pair = key_pair(&self.signing)?;
        let ca = params.self_signed(&pair)?;
        let issuer = Issuer::from_params(&params, &pair);
        let certificate = device_params(key, credential.issued_ms, days)?.signed_by(&Newcomer(*key), &issuer)?;
        Ok(Membership {
            authority: self.public(),
            credential,
            ca: ca.der().to_vec(),
            certificate: certificate.der().to_vec(),
        })
    }
}

fn ca_params(org: &OrgId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Holdfast org {org}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // The same bytes each time: a fixed serial and span, and Ed25519 signs the same text the same way.
    params.serial_number = Some(SerialNumber::from_slice(&org.0));
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    params
}

fn device_params(key: &PublicKey, issued_ms: u64, days: u64) -> Result<CertificateParams, TransportError> {
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, DeviceId::of(key).to_string());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    // An authority whose own clock is in 1970 must not issue what is expired already.
    let issued_s = (issued_ms / 1000).max(1_577_836_800);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(issued_s + days * 86_400);
    Ok(params)
}

/// What a device holds of its org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The authority's key.
    pub authority: PublicKey,
    /// The org's word for this device.
    pub credential: DeviceCredential,
    /// The authority's certificate, DER.
    pub ca: Vec<u8>,
    /// This device's certificate, DER.
    pub certificate: Vec<u8>,
}

impl Membership {
    /// Saves it for the owner alone.
    pub fn save(&self, path: &Path) -> Result<(), TransportError> {
        let bytes = postcard::to_stdvec(self).expect("a membership in memory always encodes");
        secret_file::write(path, &bytes)
    }

    /// Loads it and checks that it is of this device and of one org.
    pub fn load(path: &Path, key: &DeviceKey) -> Result<Self, TransportError> {
        let bytes = secret_file::read(path)?;
        let membership: Self = postcard::from_bytes(&bytes)
            .map_err(|error| TransportError::Damaged { path: path.to_owned(), fault: error.to_string() })?;
        let foreign = |fault| TransportError::Foreign { path: path.to_owned(), fault };
        membership.check(key).map_err(foreign)?;
        Ok(membership)
    }

    /// What does not fit, if anything.
    pub(crate) fn check(&self, key: &DeviceKey) -> Result<(), &'static str> {
        if self.credential.key != key.public() {
            return Err("it was issued for another key");
        }
        if !self.credential.verifies(&self.authority) {
            return Err("its credential is not signed by its authority");
        }
        if certified_key(&self.certificate) != Some(key.public()) {
            return Err("its certificate is for another key");
        }
        if certified_key(&self.ca) != Some(self.authority) {
            return Err("its authority's certificate is of another authority");
        }
        Ok(())
    }

    /// What members show each other: all of them hold the authority's certificate, which would cost a meeting 700 bytes.
    pub(crate) fn leaf(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone().into()]
    }

    /// What a newcomer is shown, who knows of the authority its key alone.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone().into(), self.ca.clone().into()]
    }
}

/// The Ed25519 key that a certificate certifies.
pub(crate) fn certified_key(certificate: &[u8]) -> Option<PublicKey> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let spki = certificate.public_key();
    // id-Ed25519, RFC 8410.
    if spki.algorithm.algorithm.to_id_string() != "1.3.101.112" {
        return None;
    }
    spki.subject_public_key.data.as_ref().try_into().ok().map(PublicKey)
}

/// Whether a certificate is valid at a time, given since 1970. TLS asks this once, when the certificate is shown; a session
/// that is resumed shows none, and must not outlive it.
pub(crate) fn is_in_force(certificate: &[u8], at: std::time::Duration) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return false };
    let validity = certificate.validity();
    let at = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Authority, DeviceKey, DeviceRole, is_in_force};

    #[test]
    fn a_certificate_is_in_force_until_its_last_second() {
        let home = tempfile::tempdir().expect("a folder");
        let authority = Authority::load_or_create(&home.path().join("authority")).expect("an authority");
        let key = DeviceKey::load_or_create(&home.path().join("device")).expect("a key").public();
        let issued_s = 1_767_225_600;
        let device = authority.vouch(&key, "a", DeviceRole::Node, issued_s * 1_000);
        let certificate = authority.admit_for(&key, device, 1).expect("certificates").certificate;
        let last_s = issued_s + 86_400;
        assert!(is_in_force(&certificate, Duration::from_secs(last_s)));
        assert!(!is_in_force(&certificate, Duration::from_secs(last_s + 1)));
        assert!(!is_in_force(&certificate, Duration::ZERO));
        assert!(!is_in_force(b"garbage", Duration::from_secs(issued_s)));
    }
}
