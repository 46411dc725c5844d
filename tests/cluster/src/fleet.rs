//! A hub and nodes of one org, joined through relays that can be cut.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_linkem::relay::{Profile, Relay};
use serde_json::Value;

use crate::process::{Process, Program};

/// One member of the fleet.
pub struct Member {
    /// Its name.
    pub name: String,
    /// The process.
    pub process: Process,
}

/// The link between two members, by their places.
pub struct Link {
    /// The one that dials.
    pub from: usize,
    /// The one that is dialled.
    pub to: usize,
    /// What lies between.
    pub relay: Relay,
}

/// A hub (place 0) and nodes.
pub struct Fleet {
    /// The members; the hub first.
    pub members: Vec<Member>,
    /// A link between each two members.
    pub links: Vec<Link>,
    home: PathBuf,
    runtime: tokio::runtime::Runtime,
    profile: Profile,
}

const FREE_PORTS: [&str; 4] = ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];

impl Fleet {
    /// Founds an org with a hub below `home`.
    pub fn found(home: &Path, profile: Profile) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let data = home.join("hub");
        Program::Hub.call(&data, &["init", "--name", "hub"])?;
        let mut args: Vec<String> = FREE_PORTS.map(str::to_owned).to_vec();
        args.extend(["--enrol-listen".to_owned(), "127.0.0.1:0".to_owned()]);
        let process = Process::start(Program::Hub, &data, &args)?;
        let members = vec![Member { name: "hub".to_owned(), process }];
        Ok(Self { members, links: Vec::new(), home: home.to_owned(), runtime, profile })
    }

    /// Enrols a node with a one-time token and starts it, joined to the members at `peers`.
    pub fn join(&mut self, name: &str, peers: &[usize]) -> Result<usize> {
        let data = self.home.join(name);
        let hub = self.members[0].process.data().to_owned();
        let invitation = Program::Hub.call(&hub, &["--json", "invite", "--name", name, "--role", "node"])?;
        let invitation: Value = serde_json::from_str(&invitation).context("an invitation is JSON")?;
        let token = invitation["token"].as_str().context("an invitation has a token")?;
        Program::Node.call(&data, &["enroll", token])?;
        let place = self.members.len();
        let mut addresses = String::new();
        for &peer in peers {
            let target: SocketAddr = self.members[peer].process.peer_address.parse()?;
            let relay = self.relay(target)?;
            addresses.push_str(&relay.local_addr().to_string());
            addresses.push('\n');
            self.links.push(Link { from: place, to: peer, relay });
        }
        // The node was told the hub's own address; here every link goes through a relay that can be cut.
        std::fs::write(data.join("peers"), addresses)?;
        let process = Process::start(Program::Node, &data, &FREE_PORTS.map(str::to_owned))?;
        self.members.push(Member { name: name.to_owned(), process });
        Ok(place)
    }

    fn relay(&self, target: SocketAddr) -> Result<Relay> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let seed = self.links.len() as u64;
        Ok(self.runtime.block_on(Relay::start(listen, target, self.profile, seed))?)
    }

    /// Cuts every link between the two groups.
    pub fn part(&self, left: &[usize], right: &[usize]) {
        for link in &self.links {
            let across = |a: usize, b: usize| left.contains(&a) && right.contains(&b);
            if across(link.from, link.to) || across(link.to, link.from) {
                link.relay.cut(true);
            }
        }
    }

    /// Opens every link again.
    pub fn heal(&self) {
        self.links.iter().for_each(|link| link.relay.cut(false));
    }

    /// Bytes that went through the relays so far, both ways.
    pub fn wire_bytes(&self) -> u64 {
        self.links.iter().map(|link| link.relay.stats()).map(|stats| stats.bytes_there + stats.bytes_back).sum()
    }

    /// What a member says of itself.
    pub fn status(&self, place: usize) -> Result<Value> {
        self.members[place].process.api.get("/status")
    }

    /// Waits until these members hold the same; gives the time it took.
    pub fn converge(&self, places: &[usize], patience: Duration) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let scopes =
                places.iter().map(|&place| Ok(self.status(place)?["scopes"].take())).collect::<Result<Vec<Value>>>()?;
            if scopes.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(start.elapsed());
            }
            if start.elapsed() > patience {
                bail!("the nodes do not agree after {patience:?}: {scopes:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
