//! The data directory of a node, and how a device comes to belong to an org.

use std::path::{Path, PathBuf};

use holdfast_domain::identity::{DeviceId, DeviceRole, OrgId};
use holdfast_transport::enrolment;
use holdfast_transport::error::TransportError;
use holdfast_transport::identity::{Authority, DeviceKey, Membership};

use crate::clock::SystemClock;
use crate::run::StartError;

/// Where a node keeps what is its own.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The directory at `path`; it need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The device's private key.
    pub fn device_key(&self) -> PathBuf {
        self.0.join("device.key")
    }

    /// The org's authority key, on a device that founded one.
    pub fn authority(&self) -> PathBuf {
        self.0.join("authority.key")
    }

    /// Certificates and the org's word for this device.
    pub fn membership(&self) -> PathBuf {
        self.0.join("membership")
    }

    /// Addresses of peers learned at enrolment, one a line.
    pub fn peers(&self) -> PathBuf {
        self.0.join("peers")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("holdfast.db")
    }

    /// Makes the directory, for its owner alone.
    pub fn create(&self) -> Result<(), StartError> {
        let error = |source| StartError::DataDir { dir: self.0.clone(), source };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(error)?;
        if self.0.is_dir() { Ok(()) } else { Err(error(std::io::ErrorKind::NotADirectory.into())) }
    }

    fn refuse_member(&self) -> Result<(), StartError> {
        if self.membership().exists() { Err(StartError::AlreadyMember { dir: self.0.clone() }) } else { Ok(()) }
    }
}

/// A new org, or a new device in one.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The org.
    pub org: OrgId,
    /// This device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: DeviceRole,
    /// A peer to dial first, if one is known.
    pub peer: Option<String>,
}

/// Founds an org on this device, which becomes its command post and holds its authority.
pub fn found(dir: &DataDir, name: &str) -> Result<Joined, StartError> {
    holdfast_domain::field::check_name("name", name)?;
    dir.refuse_member()?;
    dir.create()?;
    let key = DeviceKey::load_or_create(&dir.device_key())?;
    let authority = Authority::load_or_create(&dir.authority())?;
    let now = SystemClock::start().now();
    let device = authority.vouch(&key.public(), name, DeviceRole::Hub, now.wall_ms);
    let membership = authority.admit(&key.public(), device)?;
    membership.save(&dir.membership())?;
    Ok(joined(&membership, None))
}

/// Joins an org with a one-time token.
pub async fn enrol(dir: &DataDir, token: &str) -> Result<Joined, StartError> {
    dir.refuse_member()?;
    let token: enrolment::Token = token.trim().parse().map_err(TransportError::from)?;
    dir.create()?;
    let key = DeviceKey::load_or_create(&dir.device_key())?;
    let (membership, peer) = enrolment::enrol(&token, &key).await.map_err(TransportError::from)?;
    if let Some(peer) = &peer {
        std::fs::write(dir.peers(), format!("{peer}\n"))
            .map_err(|source| StartError::DataDir { dir: dir.0.clone(), source })?;
    }
    membership.save(&dir.membership())?;
    Ok(joined(&membership, peer))
}

fn joined(membership: &Membership, peer: Option<String>) -> Joined {
    let device = &membership.credential;
    Joined { org: device.org, device: device.device(), name: device.name.clone(), role: device.role, peer }
}
