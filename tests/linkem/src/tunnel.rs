//! A link for whole IP packets: two network namespaces, a TUN device in each, and a line each way between them.
//!
//! For programs that speak TCP. The line is the relay's, so that both see the same link. Linux and root only.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tun_rs::{AsyncDevice, DeviceBuilder};

use crate::line::{Fate, Line};
use crate::relay::Profile;

const MTU_BYTES: u16 = 1_500;
/// Addresses of the two ends, each in a namespace of its own.
pub const ADDRESSES: [&str; 2] = ["10.77.0.1", "10.77.0.2"];

/// What went onto the link so far, lost on the way or not, with IP headers, bytes: from the first end and to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wire {
    /// From the first end.
    pub there_bytes: u64,
    /// To the first end.
    pub back_bytes: u64,
}

impl Wire {
    /// Both ways, bytes.
    pub fn total(&self) -> u64 {
        self.there_bytes + self.back_bytes
    }
}

struct Direction {
    profile: Profile,
    cut: bool,
    wire_bytes: u64,
}

type Shared = Arc<Mutex<Direction>>;

fn direction(shared: &Shared) -> MutexGuard<'_, Direction> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two namespaces joined by a link, until it is dropped.
pub struct Tunnel {
    namespaces: [String; 2],
    directions: [Shared; 2],
    tasks: Vec<JoinHandle<()>>,
}

fn ip(args: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(args).output()?;
    if output.status.success() {
        return Ok(());
    }
    let fault = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("ip {}: {fault}", args.join(" "))))
}

impl Tunnel {
    /// Makes the namespaces and joins them, on the current tokio runtime. `name` (at most 10 letters) tells them apart
    /// from those of others.
    ///
    /// # Errors
    /// If the system does not let us: no root, no TUN, no network namespaces.
    pub fn start(name: &str, profile: Profile, seed: u64) -> io::Result<Self> {
        let namespaces = ["a", "b"].map(|end| format!("{name}{end}"));
        let directions = [0, 1].map(|_| Arc::new(Mutex::new(Direction { profile, cut: false, wire_bytes: 0 })));
        // From here on a failure must take the namespaces away again, which dropping does.
        let mut tunnel = Self { namespaces, directions, tasks: Vec::new() };
        let left = Arc::new(tunnel.end(0)?);
        let right = Arc::new(tunnel.end(1)?);
        for (index, (from, to)) in [(left.clone(), right.clone()), (right, left)].into_iter().enumerate() {
            let line = Line::new(seed.wrapping_mul(2).wrapping_add(index as u64));
            tunnel.tasks.push(tokio::spawn(carry(from, to, line, tunnel.directions[index].clone())));
        }
        Ok(tunnel)
    }

    fn end(&self, index: usize) -> io::Result<AsyncDevice> {
        let (space, address) = (self.namespaces[index].as_str(), format!("{}/24", ADDRESSES[index]));
        ip(&["netns", "add", space])?;
        let device = DeviceBuilder::new().name(space).mtu(MTU_BYTES).build_async()?;
        ip(&["link", "set", space, "netns", space])?;
        ip(&["-n", space, "addr", "add", &address, "dev", space])?;
        ip(&["-n", space, "link", "set", space, "up"])?;
        ip(&["-n", space, "link", "set", "lo", "up"])?;
        Ok(device)
    }

    /// A command that runs a program at one end (0 or 1).
    pub fn command(&self, end: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespaces[end], program]);
        command
    }

    /// Cuts the link, or joins it again.
    pub fn cut(&self, cut: bool) {
        self.directions.iter().for_each(|shared| direction(shared).cut = cut);
    }

    /// Changes how packets are treated from now on, both ways.
    pub fn set_profile(&self, profile: Profile) {
        self.directions.iter().for_each(|shared| direction(shared).profile = profile);
    }

    /// What went onto the link so far.
    pub fn wire(&self) -> Wire {
        let [there_bytes, back_bytes] = [0, 1].map(|index: usize| direction(&self.directions[index]).wire_bytes);
        Wire { there_bytes, back_bytes }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        for space in &self.namespaces {
            // One that was never made need not be taken away.
            ip(&["netns", "del", space]).ok();
        }
    }
}

/// Moves packets one way.
async fn carry(from: Arc<AsyncDevice>, to: Arc<AsyncDevice>, mut line: Line, shared: Shared) {
    let start = Instant::now();
    let mut due: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut serial = 0;
    let mut buffer = vec![0; usize::from(MTU_BYTES) + 64];
    loop {
        let next = due.peek().map(|Reverse((at, ..))| *at);
        tokio::select! {
            got = from.recv(&mut buffer) => {
                let Ok(length) = got else { return };
                let mut direction = direction(&shared);
                if direction.cut {
                    continue;
                }
                let fate = line.offer(&direction.profile, start.elapsed().as_micros() as u64, length);
                if fate != Fate::Refused {
                    direction.wire_bytes += length as u64;
                }
                if let Fate::Arrives(at_us) = fate {
                    serial += 1;
                    due.push(Reverse((start + Duration::from_micros(at_us), serial, buffer[..length].to_vec())));
                }
            }
            () = sleep_until(next.unwrap_or(start)), if next.is_some() => {}
        }
        while due.peek().is_some_and(|Reverse((at, ..))| *at <= Instant::now()) {
            let Some(Reverse((_, _, packet))) = due.pop() else { break };
            let cut = direction(&shared).cut;
            if !cut && to.send(&packet).await.is_err() {
                return;
            }
        }
    }
}
