//! Others on the same link: programs in two network namespaces, joined by the emulated line, and what they say.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_linkem::relay::Profile;
use holdfast_linkem::tunnel::Tunnel;
use tokio::runtime::Runtime;

use crate::Bench;

/// What samod and NATS protect, for the notes.
pub(crate) const SAMOD_WORDS: &str = "samod 0.16 over TCP: no encryption, no signatures";
pub(crate) const NATS_WORDS: &str =
    "NATS 2.9 leaf node with a JetStream source over TCP: no encryption, no signatures; raw changes as messages";

/// A link between two namespaces.
pub(crate) struct Site {
    // Dropped before the runtime that carries it.
    pub(crate) tunnel: Tunnel,
    _runtime: Runtime,
}

impl Site {
    /// Joins two namespaces by a link with this profile.
    pub(crate) fn new(profile: Profile) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let name = format!("hf{}", std::process::id() % 100_000);
        let tunnel = {
            let _inside = runtime.enter();
            Tunnel::start(&name, profile, 1)
        };
        Ok(Self { tunnel: tunnel.context("no link for TCP (needs root, /dev/net/tun and `ip`)")?, _runtime: runtime })
    }

    pub(crate) fn wire_bytes(&self) -> f64 {
        self.tunnel.wire().total() as f64
    }

    /// Waits until nothing has crossed the link for so long.
    pub(crate) fn wait_quiet(&self, quiet: Duration, patience: Duration) {
        let (start, mut since, mut last) = (Instant::now(), Instant::now(), self.wire_bytes());
        while since.elapsed() < quiet && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.wire_bytes();
            if now > last {
                (since, last) = (Instant::now(), now);
            }
        }
    }
}

/// A program of the folder of others.
pub(crate) fn program(bench: &Bench, name: &str) -> Result<PathBuf> {
    let folder = bench.peers.as_ref().context("the programs of others are not built")?;
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is not built", path.display());
    Ok(path)
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let fault = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "{command:?} failed: {fault}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Copies a folder with all below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A program that runs and talks in lines; killed when dropped.
pub(crate) struct Talker {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Talker {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (out, told) = (child.stdout.take().context("an output")?, Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(Self { child, lines })
    }

    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("an input")?;
        input.write_all(format!("{line}\n").as_bytes())?;
        Ok(input.flush()?)
    }

    /// The rest of each line that began with this word, in order.
    pub(crate) fn told(&self, word: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter_map(|line| line.strip_prefix(word)).map(|rest| rest.trim().to_owned()).collect()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // One that has ended already is as gone as it should be.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
