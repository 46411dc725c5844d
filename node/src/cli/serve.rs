//! `run`: the node itself, until it is stopped.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use holdfast_driver::data_dir::DataDir;
use holdfast_driver::run::{Running, start};
use tokio::net::TcpListener;

use crate::cli::client::{RunFile, run_file, token_file};
use crate::cli::{ExtraRoutes, Global};
use crate::config::{Config, LogFormat, Overrides};
use crate::http::{App, router, routes, serve};
use crate::power::watch;

/// Runs the node.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Settings to read instead of holdfast.toml in the data directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

/// `run`.
pub fn run(global: &Global, args: Run, extra: ExtraRoutes<'_>) -> Result<()> {
    let path = args.config.clone().unwrap_or_else(|| global.data.join("holdfast.toml"));
    let mut config = Config::read(&path, args.config.is_some())?;
    args.overrides.over(&mut config);
    config.check()?;
    log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(live(global, config, extra))
}

async fn live(global: &Global, config: Config, extra: ExtraRoutes<'_>) -> Result<()> {
    // The signals are caught before anything is opened, so that an early one is not lost.
    let stop = signals()?;
    let dir = DataDir::new(&global.data);
    let listener = TcpListener::bind(config.http_listen).await.with_context(|| {
        let address = config.http_listen;
        format!("the API cannot listen on {address}; stop the other program or give another --http-listen (port 0 takes a free one)")
    })?;
    let http = listener.local_addr()?;
    let hosts = config.http_hosts.clone();
    let remote = config.is_remote();
    let mut running = start(&dir, config.sync).await?;
    let watching = tokio::spawn(watch(config.power, running.handle.clone()));
    let token = token(&global.data)?;
    let run = RunFile {
        pid: std::process::id(),
        http: http.to_string(),
        peer: running.peer_address.to_string(),
        enrol: running.enrol_address.map(|address| address.to_string()),
    };
    tell(&run, remote);
    let routes = extra.iter().fold(routes(), |routes, more| routes.nest("/api/v1", more()));
    let face = router(App::new(running.handle.clone(), token, hosts), routes);
    write_private(&run_file(&global.data), &serde_json::to_vec(&run)?)?;
    let (stopped, stopping) = tokio::sync::watch::channel(false);
    let mut told = stopping.clone();
    let serving = tokio::spawn(serve(listener, face, async move {
        // An error means that the sender is gone: the node is stopping, too.
        told.wait_for(|stopped| *stopped).await.ok();
    }));
    let fault = tokio::select! {
        () = stop => None,
        fault = running.ended() => Some(fault),
    };
    stopped.send_replace(true);
    std::fs::remove_file(run_file(&global.data)).ok();
    serving.abort();
    watching.abort();
    match fault {
        Some(fault) => anyhow::bail!("the node had to stop: {fault}"),
        None => {
            end(running).await;
            Ok(())
        }
    }
}

async fn end(running: Running) {
    tracing::info!("stopping");
    running.stop().await;
}

fn tell(run: &RunFile, remote: bool) {
    tracing::info!(http = run.http, peers = run.peer, enrolment = run.enrol, "running");
    if remote {
        tracing::warn!(
            "the API can be reached from other machines and has no TLS: whoever sees the wire can read its token"
        );
    }
}

/// Resolves on SIGINT or SIGTERM.
fn signals() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The token of the API; made at the first start.
fn token(data: &Path) -> Result<String> {
    let path = token_file(data);
    if path.exists() {
        return Ok(std::fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?
            .trim()
            .to_owned());
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).context("the system gave no randomness")?;
    let token = holdfast_domain::entry::Digest(secret).to_string();
    write_private(&path, token.as_bytes())?;
    Ok(token)
}

/// Writes a file for its owner alone, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("part");
    let written = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    written()
        .with_context(|| format!("{} cannot be written; check the directory's owner and free space", path.display()))
}

fn log(config: &Config) -> Result<()> {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let filter: tracing_subscriber::filter::Targets = config.log_filter.parse()?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match config.log_format {
        LogFormat::Human => registry.with(layer).try_init()?,
        LogFormat::Json => registry.with(layer.json()).try_init()?,
    }
    Ok(())
}
