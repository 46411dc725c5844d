//! Settings of a node: a TOML file, over it the environment, over that flags. Every field has a safe default.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use holdfast_domain::blob::BlobPolicy;
use holdfast_driver::config::NodeConfig;
use serde::{Deserialize, Serialize};

use crate::power::PowerConfig;

/// Everything that can be set, as `holdfast.toml` has it.
///
/// ```toml
/// http_listen = "127.0.0.1:7480"
/// log_format = "json"
///
/// [sync]
/// peer_listen = "0.0.0.0:7400"
/// peers = ["192.0.2.7:7400"]
///
/// [power]
/// power_command = ["/usr/local/bin/ignition", "--json"]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// TCP address of the HTTP API. Default `127.0.0.1:7480`. Port 0 takes a free one. An address that other machines
    /// reach needs `http_remote` as well.
    pub http_listen: SocketAddr,
    /// Whether the API may listen where other machines reach it. It has no TLS of its own: whoever can see the wire can
    /// read the token. Default `false`.
    pub http_remote: bool,
    /// Host names, besides loopback and plain addresses, by which browsers and clients may call the API. Any other
    /// `Host` is refused, so that a web page cannot reach the node under a name of its own. Default: none.
    pub http_hosts: Vec<String>,
    /// How log lines look. Default `human`.
    pub log_format: LogFormat,
    /// What is logged: levels by room, such as `info` or `info,holdfast_node=debug`. Default `info`.
    pub log_filter: String,
    /// The engine and its links.
    pub sync: NodeConfig,
    /// What the node runs on.
    pub power: PowerConfig,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object a line, for a collector.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http_listen: SocketAddr::from(([127, 0, 0, 1], 7480)),
            http_remote: false,
            http_hosts: Vec::new(),
            log_format: LogFormat::default(),
            log_filter: "info".to_owned(),
            sync: NodeConfig::default(),
            power: PowerConfig::default(),
        }
    }
}

/// Why the settings cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the settings {} cannot be read; check the path and its permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file says something it cannot.
    #[error("{}, line {line}: {fault}", .path.display())]
    Fault {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what is allowed.
        fault: String,
    },
    /// A value that cannot stand, wherever it came from.
    #[error("{field} {fault}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong and what is allowed.
        fault: String,
    },
}

/// What each field takes, for the message when it got something else.
const ALLOWED: [(&str, &str); 32] = [
    ("http_listen", "an IP address and port in quotes, such as \"127.0.0.1:7480\"; port 0 takes a free one"),
    ("http_remote", "true or false, without quotes"),
    ("http_hosts", "a list of host names, such as [\"node.example\"]"),
    ("log_format", "\"human\" or \"json\""),
    ("log_filter", "levels by room, such as \"info\" or \"info,holdfast_node=debug\""),
    ("peer_listen", "an IP address and port in quotes, such as \"0.0.0.0:7400\"; port 0 takes a free one"),
    ("enrol_listen", "an IP address and port in quotes, such as \"0.0.0.0:7401\"; port 0 takes a free one"),
    ("enrol_advertise", "host:port in quotes, such as \"hub.example:7401\""),
    ("peer_advertise", "host:port in quotes, such as \"hub.example:7400\""),
    ("peers", "a list of host:port, such as [\"192.0.2.7:7400\"]"),
    ("link_profile", "\"lan\", \"wifi\", \"lte\", \"sat\" or \"narrowband\""),
    ("link_ceiling_bps", "bits a second without quotes, such as 64000"),
    ("mdns", "true or false, without quotes"),
    ("supplies", "a folder in quotes, such as \"/sys/class/power_supply\""),
    ("power_command", "a program and its arguments, such as [\"/usr/local/bin/ignition\", \"--json\"]"),
    ("command_timeout_s", "whole seconds from 1 to 60"),
    ("poll_s", "whole seconds from 1 to 3600"),
    ("low_percent", "whole percents from 2 to 95"),
    ("critical_percent", "whole percents from 1 to 94, below low_percent"),
    ("document_days", "whole days from 0 to 36500"),
    ("message_days", "whole days from 0 to 36500"),
    ("track_full_hours", "whole hours from 0 to 876000"),
    ("track_sampled_days", "whole days from 0 to 36500"),
    ("track_days", "whole days from 0 to 36500"),
    ("generation_changes_max", "a number of changes from 100 to 50000"),
    ("generation_bytes_max", "bytes from 4096 to 2097152"),
    ("late_wait_s", "whole seconds"),
    ("blob_policy", "\"all\", \"thumbnails\" or \"none\""),
    ("blob_quota_bytes", "bytes without quotes, such as 2147483648"),
    ("blob_free_bytes_min", "bytes without quotes, such as 268435456"),
    ("reset_wait_s", "whole seconds"),
    ("mdns_interfaces", "a list of interface names or addresses, such as [\"wlan0\"]"),
];

/// Names in a list of settings; more is a mistake.
const LIST_LEN_MAX: usize = 256;

impl Config {
    /// Reads the file. One that is not there counts as empty unless it was asked for by name.
    pub fn read(path: &Path, asked_for: bool) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !asked_for => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Reads the text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].split(|&byte| byte == b'\n').count();
            let field = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(field, _)| field.trim());
            let allowed = ALLOWED.iter().find(|(name, _)| Some(*name) == field).map(|(_, allowed)| *allowed);
            let fault = match allowed {
                Some(allowed) => format!("{}: {}; give {allowed}", field.unwrap_or_default(), error.message()),
                None => error.message().to_owned(),
            };
            ConfigError::Fault { path: path.to_owned(), line, fault }
        })
    }

    /// Whether the values can stand together.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.http_listen.ip().is_loopback() && !self.http_remote {
            let fault = format!(
                "is {}, which other machines reach; the API has no TLS yet, so this must be asked for with \
                 `http_remote = true` (--http-remote)",
                self.http_listen
            );
            return Err(ConfigError::Value { field: "http_listen", fault });
        }
        let lists = [
            ("http_hosts", self.http_hosts.len()),
            ("peers", self.sync.peers.len()),
            ("mdns_interfaces", self.sync.mdns_interfaces.len()),
        ];
        if let Some((field, len)) = lists.into_iter().find(|(_, len)| *len > LIST_LEN_MAX) {
            return Err(ConfigError::Value {
                field,
                fault: format!("has {len} entries; at most {LIST_LEN_MAX} are allowed"),
            });
        }
        if let Some((field, fault)) = self.power.fault() {
            return Err(ConfigError::Value { field, fault });
        }
        self.sync.check().map_err(|bad| ConfigError::Value { field: bad.field, fault: bad.fault })?;
        self.log_filter.parse::<tracing_subscriber::filter::Targets>().map(|_| ()).map_err(|error| ConfigError::Value {
            field: "log_filter",
            fault: format!("is `{}`: {error}; give {}", self.log_filter, ALLOWED[4].1),
        })
    }

    /// Whether the API can be reached from other machines.
    pub fn is_remote(&self) -> bool {
        !self.http_listen.ip().is_loopback()
    }
}

/// The settings that can come from the environment or from flags. A flag wins over the environment, both over the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Overrides {
    /// TCP address of the HTTP API; port 0 takes a free one [default: 127.0.0.1:7480]
    #[arg(long, env = "HOLDFAST_HTTP_LISTEN", value_name = "IP:PORT")]
    pub http_listen: Option<SocketAddr>,
    /// Lets the HTTP API listen where other machines reach it, though it has no TLS yet
    #[arg(long, env = "HOLDFAST_HTTP_REMOTE", num_args = 0..=1, default_missing_value = "true")]
    pub http_remote: Option<bool>,
    /// Host name, besides loopback and plain addresses, by which clients may call the API; may be repeated
    #[arg(long = "http-host", env = "HOLDFAST_HTTP_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub http_hosts: Option<Vec<String>>,
    /// How log lines look [default: human]
    #[arg(long, env = "HOLDFAST_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// What is logged: levels by room, such as `info` or `info,holdfast_node=debug` [default: info]
    #[arg(long, env = "HOLDFAST_LOG", value_name = "LEVELS")]
    pub log_filter: Option<String>,
    /// UDP address for peer links (QUIC with mutual TLS); port 0 takes a free one [default: 127.0.0.1:7400]
    #[arg(long, env = "HOLDFAST_PEER_LISTEN", value_name = "IP:PORT")]
    pub peer_listen: Option<SocketAddr>,
    /// UDP address on which an authority enrols devices; unused on other nodes [default: 127.0.0.1:7401]
    #[arg(long, env = "HOLDFAST_ENROL_LISTEN", value_name = "IP:PORT")]
    pub enrol_listen: Option<SocketAddr>,
    /// What invitations name for enrolment, where that differs from --enrol-listen
    #[arg(long, env = "HOLDFAST_ENROL_ADVERTISE", value_name = "HOST:PORT")]
    pub enrol_advertise: Option<String>,
    /// What newcomers are told to dial, where that differs from --peer-listen
    #[arg(long, env = "HOLDFAST_PEER_ADVERTISE", value_name = "HOST:PORT")]
    pub peer_advertise: Option<String>,
    /// A peer to dial and keep dialling, with #PROFILE where its kind of link is known; may be repeated
    #[arg(long = "peer", env = "HOLDFAST_PEERS", value_name = "HOST:PORT", value_delimiter = ',')]
    pub peers: Option<Vec<String>>,
    /// Kind of link that peers are reached over: lan, wifi, lte, sat or narrowband [default: measured]
    #[arg(long, env = "HOLDFAST_LINK_PROFILE", value_name = "PROFILE")]
    pub link_profile: Option<String>,
    /// The most that is sent on one link, bits a second [default: none]
    #[arg(long, env = "HOLDFAST_LINK_CEILING_BPS", value_name = "BPS")]
    pub link_ceiling_bps: Option<u64>,
    /// Finds peers on the local network by mDNS
    #[arg(long, env = "HOLDFAST_MDNS", num_args = 0..=1, default_missing_value = "true")]
    pub mdns: Option<bool>,
    /// Interface for mDNS, by name or address; may be repeated [default: every one but loopback]
    #[arg(long = "mdns-interface", env = "HOLDFAST_MDNS_INTERFACES", value_name = "NAME", value_delimiter = ',')]
    pub mdns_interfaces: Option<Vec<String>>,
    /// Which attachments are fetched unasked: all, thumbnails or none [default: all]
    #[arg(long, env = "HOLDFAST_BLOB_POLICY", value_name = "POLICY")]
    pub blob_policy: Option<BlobPolicy>,
    /// Bytes that attachments may take on disk [default: 2147483648]
    #[arg(long, env = "HOLDFAST_BLOB_QUOTA_BYTES", value_name = "BYTES")]
    pub blob_quota_bytes: Option<u64>,
    /// Free bytes of the disk below which no attachment is taken [default: 268435456]
    #[arg(long, env = "HOLDFAST_BLOB_FREE_BYTES_MIN", value_name = "BYTES")]
    pub blob_free_bytes_min: Option<u64>,
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl Overrides {
    /// Lays what is given here over the settings of the file.
    pub fn over(self, config: &mut Config) {
        put(&mut config.http_listen, self.http_listen);
        put(&mut config.http_remote, self.http_remote);
        put(&mut config.http_hosts, self.http_hosts);
        put(&mut config.log_format, self.log_format);
        put(&mut config.log_filter, self.log_filter);
        let sync = &mut config.sync;
        put(&mut sync.peer_listen, self.peer_listen);
        put(&mut sync.enrol_listen, self.enrol_listen);
        put(&mut sync.enrol_advertise, self.enrol_advertise.map(Some));
        put(&mut sync.peer_advertise, self.peer_advertise.map(Some));
        put(&mut sync.peers, self.peers);
        put(&mut sync.link_profile, self.link_profile.map(Some));
        put(&mut sync.link_ceiling_bps, self.link_ceiling_bps.map(Some));
        put(&mut sync.mdns, self.mdns);
        put(&mut sync.mdns_interfaces, self.mdns_interfaces);
        put(&mut sync.blob_policy, self.blob_policy);
        put(&mut sync.blob_quota_bytes, self.blob_quota_bytes);
        put(&mut sync.blob_free_bytes_min, self.blob_free_bytes_min);
    }
}

/// Whether a `Host` without its port may call the API: loopback by any name, a plain address (a name cannot be rebound
/// to it), or a name from the settings.
pub fn host_is_ours(host: &str, names: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok()
        || names.iter().any(|name| name.eq_ignore_ascii_case(bare))
}

#[cfg(test)]
mod tests;
