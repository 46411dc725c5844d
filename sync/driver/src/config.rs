//! Settings of a node's engine and links; the binaries read them from file, environment and flags.

use std::net::SocketAddr;

use holdfast_domain::blob::BlobPolicy;
use holdfast_transport::peers::PeerAddress;
use holdfast_transport::profile::LinkProfile;
use serde::{Deserialize, Serialize};

use crate::blobs::BlobConfig;
use crate::retention::Retention;

/// Settings of a node. Every field has a safe default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// UDP address for peer links (mTLS over QUIC). Default `127.0.0.1:7400`: only this machine. Give `0.0.0.0:7400` or
    /// an interface's address to meet others. Port 0 takes a free one.
    pub peer_listen: SocketAddr,
    /// UDP address on which an authority enrols devices. Default `127.0.0.1:7401`. Unused on other nodes.
    pub enrol_listen: SocketAddr,
    /// `host:port` that invitations name for enrolment, where it differs from `enrol_listen`.
    pub enrol_advertise: Option<String>,
    /// `host:port` that newcomers are told to dial after enrolment, where it differs from `peer_listen`.
    pub peer_advertise: Option<String>,
    /// `host:port` of peers to dial and keep dialling; `host:port#narrowband` where the kind of link to one is known.
    pub peers: Vec<String>,
    /// Kind of link that peers are reached over: `lan`, `wifi`, `lte`, `sat` or `narrowband`. Default: none, it is measured,
    /// which any link bears; naming a slow one saves bytes, naming a fast one notices its loss sooner.
    pub link_profile: Option<String>,
    /// The most that is sent on one link, bits a second, from 1,000; for links that are shared or paid for. Default: none.
    pub link_ceiling_bps: Option<u64>,
    /// How long things are kept, and when documents roll.
    pub retention: Retention,
    /// Whether to find peers by mDNS. Default off, since the default address is this machine's alone.
    pub mdns: bool,
    /// Interfaces for mDNS, by name or address; empty: every one but loopback.
    pub mdns_interfaces: Vec<String>,
    /// Which attachments are fetched unasked: `all`, `thumbnails` or `none`. Default `all`. A hub fetches all.
    pub blob_policy: BlobPolicy,
    /// Bytes that attachments may take on disk, from 16 MiB. Default 2 GiB. When they are reached, files go that are kept
    /// elsewhere for sure; where there is none, nothing more is taken.
    pub blob_quota_bytes: u64,
    /// Free bytes of the disk below which no attachment is taken. Default 256 MiB: the database needs room, too.
    pub blob_free_bytes_min: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let blobs = BlobConfig::default();
        Self {
            peer_listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            enrol_listen: SocketAddr::from(([127, 0, 0, 1], 7401)),
            enrol_advertise: None,
            peer_advertise: None,
            peers: Vec::new(),
            link_profile: None,
            link_ceiling_bps: None,
            retention: Retention::default(),
            mdns: false,
            mdns_interfaces: Vec::new(),
            blob_policy: blobs.policy,
            blob_quota_bytes: blobs.quota_bytes,
            blob_free_bytes_min: blobs.free_bytes_min,
        }
    }
}

/// A setting that cannot stand. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {fault}")]
pub struct BadSetting {
    /// The field.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub fault: String,
}

/// Below this not even a handshake gets through in reasonable time.
const LINK_CEILING_BPS_MIN: u64 = 1_000;
/// Below this not even the small pictures of a mission fit.
const BLOB_QUOTA_BYTES_MIN: u64 = 16 << 20;

impl NodeConfig {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), BadSetting> {
        self.profile()?;
        self.peer_addresses()?;
        self.retention.check()?;
        self.blobs()?;
        match self.link_ceiling_bps {
            Some(bps) if bps < LINK_CEILING_BPS_MIN => Err(BadSetting {
                field: "link_ceiling_bps",
                fault: format!("is {bps}; give at least {LINK_CEILING_BPS_MIN} bits a second, or leave it out"),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn profile(&self) -> Result<Option<LinkProfile>, BadSetting> {
        let parse = |name: &String| {
            let bad = |error| BadSetting { field: "link_profile", fault: format!("is `{name}`: {error}") };
            name.parse().map_err(bad)
        };
        self.link_profile.as_ref().map(parse).transpose()
    }

    pub(crate) fn blobs(&self) -> Result<BlobConfig, BadSetting> {
        if self.blob_quota_bytes < BLOB_QUOTA_BYTES_MIN {
            let fault = format!("is {}; give at least {BLOB_QUOTA_BYTES_MIN} bytes (16 MiB)", self.blob_quota_bytes);
            return Err(BadSetting { field: "blob_quota_bytes", fault });
        }
        Ok(BlobConfig {
            policy: self.blob_policy,
            quota_bytes: self.blob_quota_bytes,
            free_bytes_min: self.blob_free_bytes_min,
        })
    }

    pub(crate) fn peer_addresses(&self) -> Result<Vec<PeerAddress>, BadSetting> {
        let bad = |fault: String| BadSetting { field: "peers", fault };
        self.peers.iter().map(|text| text.parse().map_err(|error| bad(format!("is wrong: {error}")))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_kind_of_link_or_peer_is_told_with_the_choices() {
        let told = |config: NodeConfig| config.check().expect_err("wrong").to_string();
        let profile = told(NodeConfig { link_profile: Some("lora".to_owned()), ..NodeConfig::default() });
        assert_eq!(profile, "link_profile is `lora`: no such link profile; choose lan, wifi, lte, sat or narrowband");
        let peer = told(NodeConfig { peers: vec!["hub#sat".to_owned()], ..NodeConfig::default() });
        assert!(peer.contains("hub#sat") && peer.contains("host:port"), "{peer}");
        let ceiling = told(NodeConfig { link_ceiling_bps: Some(8), ..NodeConfig::default() });
        assert!(ceiling.contains("1000"), "{ceiling}");
        let good = NodeConfig {
            link_profile: Some("sat".to_owned()),
            peers: vec!["hub.example:7400#narrowband".to_owned()],
            link_ceiling_bps: Some(64_000),
            ..NodeConfig::default()
        };
        assert_eq!(good.check(), Ok(()));
    }
}
