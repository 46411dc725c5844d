//! Real processes joined by emulated links, and what went over each.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use holdfast_cluster::api::Api;
use holdfast_cluster::process::{Process, Program};
use holdfast_domain::limits::HOLDS_QUIET_S;
use holdfast_linkem::relay::{Profile, Relay};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::others::copy_tree;

/// How often a process is asked how far it is.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// A link of `rate_bps` bits a second each way, `rtt_ms` round trip, share `loss` lost; its queue holds a round trip.
pub(crate) fn profile(rate_bps: u64, rtt_ms: u32, loss: f64) -> Profile {
    let queue_bytes = (rate_bps / 8 * u64::from(rtt_ms.max(200)) / 1_000).max(6_000) as usize;
    Profile { delay_ms: rtt_ms / 2, loss, rate_bps: Some(rate_bps), queue_bytes, ..Profile::clear() }
}

/// Words for a link.
pub(crate) fn words(rate_bps: u64, rtt_ms: u32, loss: f64) -> String {
    let rate = if rate_bps.is_multiple_of(1_000_000) {
        format!("{} Mbit/s", rate_bps / 1_000_000)
    } else {
        format!("{} kbit/s", rate_bps as f64 / 1_000.0)
    };
    format!("{rate}, R = {rtt_ms} ms, p = {loss}")
}

/// Processes that run until it is dropped.
pub(crate) struct Net {
    runtime: Runtime,
    pub(crate) nodes: Vec<Process>,
    pub(crate) links: Vec<Relay>,
    /// Which packets are lost hangs on it.
    pub(crate) seed: u64,
}

const FREE_PORTS: [&str; 4] = ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];

impl Net {
    pub(crate) fn new() -> Result<Self> {
        // The emulator must not wait for the processes it serves.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { runtime, nodes: Vec::new(), links: Vec::new(), seed: 0 })
    }

    /// A relay to a node that runs.
    pub(crate) fn link(&mut self, to: usize, profile: Profile) -> Result<usize> {
        let target: SocketAddr = self.nodes[to].peer_address.parse()?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let seed = 1_000 * self.seed + self.links.len() as u64 + 1;
        self.links.push(self.runtime.block_on(Relay::start(listen, target, profile, seed))?);
        Ok(self.links.len() - 1)
    }

    /// Starts a process on a copy of a data directory; it dials these nodes, each over a link with this profile.
    pub(crate) fn start(
        &mut self,
        program: Program,
        data: &Path,
        home: &Path,
        peers: &[(usize, Profile)],
    ) -> Result<usize> {
        let place = self.nodes.len();
        let own = tempfile::Builder::new().prefix("node-").tempdir_in(home)?.keep();
        copy_tree(data, &own)?;
        let mut addresses = String::new();
        for &(peer, profile) in peers {
            let link = self.link(peer, profile)?;
            addresses.push_str(&self.links[link].local_addr().to_string());
            addresses.push('\n');
        }
        std::fs::write(own.join("peers"), addresses)?;
        let mut args: Vec<String> = FREE_PORTS.map(str::to_owned).to_vec();
        if program == Program::Hub {
            args.extend(["--enrol-listen".to_owned(), "127.0.0.1:0".to_owned()]);
        }
        self.nodes.push(Process::start(program, &own, &args)?);
        Ok(place)
    }

    pub(crate) fn api(&self, node: usize) -> &Api {
        &self.nodes[node].api
    }

    /// What a node says of itself.
    pub(crate) fn status(&self, node: usize) -> Result<Value> {
        self.api(node).get("/status")
    }

    /// A counter of a node; 0 if it has never counted.
    pub(crate) fn counter(&self, node: usize, name: &str) -> Result<u64> {
        Ok(self.status(node)?["counters"][name].as_u64().unwrap_or(0))
    }

    /// Entries that a node holds.
    pub(crate) fn entries(&self, node: usize) -> Result<u64> {
        Ok(self.status(node)?["entries"].as_u64().unwrap_or(0))
    }

    /// Lets a node dial over a link now, as it does when it hears a beacon.
    pub(crate) fn dial(&self, node: usize, link: usize) -> Result<()> {
        let address = self.links[link].local_addr().to_string();
        self.api(node).post("/peers/dial", &json!({"address": address}))?.ok().map(drop)
    }

    /// Starts a process that has a link to a node, which is cut, and does not dial by itself.
    pub(crate) fn start_parted(
        &mut self,
        program: Program,
        data: &Path,
        home: &Path,
        peer: usize,
        profile: Profile,
    ) -> Result<usize> {
        let link = self.link(peer, profile)?;
        self.links[link].cut(true);
        self.start(program, data, home, &[])
    }

    /// Waits until a node has lost its sessions.
    pub(crate) fn wait_parted(&self, node: usize) -> Result<Duration> {
        // Longer than the idle timeout where no profile is named.
        wait(Duration::from_secs(90), "the loss of the link was not noticed", || {
            let status = self.status(node)?;
            Ok(status["peers"].as_array().is_some_and(|peers| peers.iter().all(|peer| peer["connected"] == false)))
        })
    }

    /// Waits until a node has a session with so many peers.
    pub(crate) fn wait_connected(&self, node: usize, peers: usize, patience: Duration) -> Result<Duration> {
        wait(patience, &format!("node {node} met no {peers} peers"), || {
            let status = self.status(node)?;
            let up = status["peers"].as_array().into_iter().flatten().filter(|peer| peer["connected"] == true);
            Ok(up.count() >= peers)
        })
    }

    /// Waits until these nodes hold the same.
    pub(crate) fn wait_agreed(&self, nodes: &[usize], patience: Duration) -> Result<Duration> {
        wait(patience, "the nodes did not come to agree", || {
            let scopes = nodes.iter().map(|&node| Ok(self.status(node)?["scopes"].take()));
            let scopes = scopes.collect::<Result<Vec<Value>>>()?;
            Ok(scopes.windows(2).all(|pair| pair[0] == pair[1]))
        })
    }

    /// Waits until the nodes have said what they hold of every scope, which they do once after a start, and the links are
    /// at rest.
    pub(crate) fn wait_quiet(&self) -> Result<()> {
        const REST: Duration = Duration::from_secs(4);
        std::thread::sleep(Duration::from_secs(HOLDS_QUIET_S + 2));
        let (mut before, mut since) = (self.wire_bytes(), Instant::now());
        wait(Duration::from_mins(2), "the links did not come to rest", || {
            let now = self.wire_bytes();
            // A sign of life is no news.
            if now > before + 400 {
                (before, since) = (now, Instant::now());
            }
            Ok(since.elapsed() > REST)
        })
        .map(drop)
    }

    /// Wire bytes of all links so far, both ways.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.links.iter().map(|link| link.stats().wire_bytes()).sum()
    }
}

/// Asks again and again until it is so; gives the time that took.
pub(crate) fn wait(patience: Duration, fear: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if is_so()? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > patience {
            bail!("{fear} within {} s", patience.as_secs());
        }
        std::thread::sleep(GLANCE);
    }
}
