//! Is it alive, is it ready, and the numbers that Prometheus reads.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use holdfast_domain::api::{NodeStatus, TurnedAway};

use crate::http::{App, Shared};

/// Upper bounds of the histogram of request times, milliseconds.
const BOUNDS_MS: [u64; 7] = [1, 5, 20, 50, 200, 1_000, 5_000];

/// Counts of requests.
#[derive(Default)]
pub(crate) struct Traffic {
    by_bound: [AtomicU64; BOUNDS_MS.len()],
    requests: AtomicU64,
    micros: AtomicU64,
    failed: AtomicU64,
}

/// Counts a request and its time.
pub(crate) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let response = next.run(request).await;
    let took = start.elapsed();
    let traffic = &app.traffic;
    for (bound, counter) in BOUNDS_MS.iter().zip(&traffic.by_bound) {
        if took.as_millis() <= u128::from(*bound) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
    traffic.requests.fetch_add(1, Ordering::Relaxed);
    traffic.micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    if response.status().is_server_error() {
        traffic.failed.fetch_add(1, Ordering::Relaxed);
    }
    response
}

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready means that the engine answers and the views can be read.
async fn ready(State(app): Shared) -> Response {
    let engine = app.handle.status().await.map(|_| ());
    let views = app.handle.read(|views| views.newest_rev()).await.map(|_| ());
    match engine.and(views) {
        Ok(()) => "ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {error}\n")).into_response(),
    }
}

async fn metrics(State(app): Shared) -> Response {
    match app.handle.status().await {
        Ok(status) => {
            let text = exposition(&status, &app.traffic);
            ([("content-type", "text/plain; version=0.0.4")], text).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// The text format of Prometheus, version 0.0.4.
fn exposition(status: &NodeStatus, traffic: &Traffic) -> String {
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        // Writing to a string cannot fail.
        writeln!(out, "# HELP holdfast_{name} {help}\n# TYPE holdfast_{name} gauge\nholdfast_{name} {value}").ok();
    };
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    gauge("entries", "Entries held.", status.entries as f64);
    gauge("held_entries", "Entries that wait for a predecessor.", status.held as f64);
    gauge("forks", "Streams frozen because their author wrote two histories.", status.forks.len() as f64);
    gauge("quarantined_entries", "Entries kept aside.", status.quarantined as f64);
    let summaries: u64 = status.summaries.values().sum();
    gauge("holdings_known", "Words of devices on what they hold of a scope.", summaries as f64);
    gauge("peers_connected", "Peers with a session.", connected as f64);
    let silent = status.peers.iter().filter(|peer| peer.silent).count();
    gauge("peers_silent", "Peers whose session stands and who owe an answer for too long.", silent as f64);
    gauge("epoch", "The epoch this node writes in.", f64::from(status.epoch));
    gauge("blobs_bytes", "Bytes of attachments on disk.", status.blobs.bytes as f64);
    gauge("blobs_quota_bytes", "Bytes that attachments may take.", status.blobs.quota_bytes as f64);
    gauge("blobs_wanted", "Attachments that are being fetched or wait for a peer.", status.blobs.wanted as f64);
    gauge(
        "blobs_full",
        "1 while nothing more is taken for want of room.",
        f64::from(u8::from(status.blobs.full.is_some())),
    );
    if let Some(percent) = status.power.percent {
        gauge("battery_percent", "Charge of the battery.", f64::from(percent));
    }
    if let Some(offset) = status.clock_offset_ms {
        gauge("clock_offset_seconds", "Peers' clocks against this one, median.", offset as f64 / 1000.0);
    }
    writeln!(out, "# HELP holdfast_peer_lacks Entries held here that a peer lacks.\n# TYPE holdfast_peer_lacks gauge")
        .ok();
    for peer in &status.peers {
        writeln!(out, "holdfast_peer_lacks{{device=\"{}\"}} {}", peer.device, peer.lacks).ok();
    }
    for (name, count) in &status.counters {
        writeln!(out, "# TYPE holdfast_{name}_total counter\nholdfast_{name}_total {count}").ok();
    }
    turned_away(&mut out, status.turned_away);
    writeln!(out, "# TYPE holdfast_http_request_seconds histogram").ok();
    for (bound, counter) in BOUNDS_MS.iter().zip(&traffic.by_bound) {
        let (bound, count) = (*bound as f64 / 1000.0, counter.load(Ordering::Relaxed));
        writeln!(out, "holdfast_http_request_seconds_bucket{{le=\"{bound}\"}} {count}").ok();
    }
    let requests = traffic.requests.load(Ordering::Relaxed);
    let seconds = traffic.micros.load(Ordering::Relaxed) as f64 / 1e6;
    let failed = traffic.failed.load(Ordering::Relaxed);
    writeln!(out, "holdfast_http_request_seconds_bucket{{le=\"+Inf\"}} {requests}").ok();
    writeln!(out, "holdfast_http_request_seconds_sum {seconds}\nholdfast_http_request_seconds_count {requests}").ok();
    writeln!(out, "# TYPE holdfast_http_failed_total counter\nholdfast_http_failed_total {failed}").ok();
    out
}

/// What came to this node's ports and was not let in.
fn turned_away(out: &mut String, counts: TurnedAway) {
    let TurnedAway {
        datagrams_not_quic,
        datagrams_other_version,
        datagrams_to_nobody,
        handshakes_other_org,
        handshakes_untrusted,
        handshakes_unfinished,
        enrolments_failed,
        links_bad_frame,
        links_silent,
    } = counts;
    for (name, help, count) in [
        ("datagrams_not_quic", "Datagrams that are no QUIC.", datagrams_not_quic),
        ("datagrams_other_version", "Datagrams of a version of QUIC not spoken here.", datagrams_other_version),
        ("datagrams_to_nobody", "Datagrams for connections that this node never had.", datagrams_to_nobody),
        ("handshakes_other_org", "Handshakes with devices of another org.", handshakes_other_org),
        ("handshakes_untrusted", "Handshakes without trust for another reason.", handshakes_untrusted),
        ("handshakes_unfinished", "Handshakes begun by others and given up.", handshakes_unfinished),
        ("enrolments_failed", "Enrolments without a good token, or broken off.", enrolments_failed),
        ("links_bad_frame", "Links closed for what is no frame or over a limit.", links_bad_frame),
        ("links_silent", "Links closed since the peer never said a whole frame.", links_silent),
    ] {
        writeln!(out, "# HELP holdfast_{name}_total {help}\n# TYPE holdfast_{name}_total counter").ok();
        writeln!(out, "holdfast_{name}_total {count}").ok();
    }
}
