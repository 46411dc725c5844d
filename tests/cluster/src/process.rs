//! One node as a process: started, asked, killed, started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::api::Api;

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `holdfast`.
    Node,
    /// `holdfast-hub`.
    Hub,
}

impl Program {
    /// The binary beside the running test or tool.
    pub fn path(self) -> Result<PathBuf> {
        let name = match self {
            Self::Node => "holdfast",
            Self::Hub => "holdfast-hub",
        };
        let here = std::env::current_exe()?;
        let found = here.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file());
        found.with_context(|| format!("{name} is not built; run: cargo build -p holdfast-node -p holdfast-hub"))
    }

    /// Runs a command on a data directory to its end and gives its standard output.
    pub fn call(self, data: &Path, args: &[&str]) -> Result<String> {
        let output = Command::new(self.path()?).arg("--data").arg(data).args(args).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("{args:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A running node; killed when dropped.
pub struct Process {
    program: Program,
    data: PathBuf,
    args: Vec<String>,
    child: Option<Child>,
    /// Where its peers reach it.
    pub peer_address: String,
    /// Its API.
    pub api: Api,
}

/// How long a start may take before the harness gives up: generous, since a machine under test may be loaded.
const START_PATIENCE: Duration = Duration::from_secs(30);

impl Process {
    /// Starts `run` on a data directory that belongs to an org, and waits until it answers.
    pub fn start(program: Program, data: &Path, args: &[String]) -> Result<Self> {
        let (child, peer_address, api) = launch(program, data, args)?;
        Ok(Self { program, data: data.to_owned(), args: args.to_vec(), child: Some(child), peer_address, api })
    }

    /// Kills it at once, as a power cut does (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A process that has ended already is as dead as it should be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same peer address so that others find it.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let mut args = self.args.clone();
        if let Some(place) = args.iter().position(|arg| arg == "--peer-listen") {
            args[place + 1].clone_from(&self.peer_address);
        }
        let (child, peer_address, api) = launch(self.program, &self.data, &args)?;
        self.child = Some(child);
        self.peer_address = peer_address;
        self.api = api;
        Ok(())
    }

    /// Starts it again so that it tells the org of its peer address.
    pub fn restart_advertising(&mut self) -> Result<()> {
        self.args.extend(["--peer-advertise".to_owned(), self.peer_address.clone()]);
        self.restart()
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(program: Program, data: &Path, args: &[String]) -> Result<(Child, String, Api)> {
    let run = data.join("run.json");
    if run.exists() {
        std::fs::remove_file(&run)?;
    }
    let log = File::options().create(true).append(true).open(data.join("log"))?;
    let mut child = Command::new(program.path()?)
        .arg("--data")
        .arg(data)
        .arg("run")
        .args(args)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let log = std::fs::read_to_string(data.join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(10).collect();
            bail!("the node on {} ended at once ({status}): {}", data.display(), tail.join(" | "));
        }
        let told: Option<Value> = std::fs::read(&run).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(told) = told {
            let token = std::fs::read_to_string(data.join("api-token"))?;
            let http = told["http"].as_str().context("run.json names no http address")?;
            let peer = told["peer"].as_str().context("run.json names no peer address")?;
            return Ok((child, peer.to_owned(), Api::new(http, token.trim())));
        }
        if start.elapsed() > START_PATIENCE {
            let _ = child.kill();
            bail!("the node on {} did not start within {START_PATIENCE:?}; see its log", data.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
