//! `status`, `doctor`.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::render::{text, time};

/// Tells how the node does.
#[derive(Debug, clap::Args)]
pub struct Status {}

/// Examines the node.
#[derive(Debug, clap::Args)]
pub struct Doctor {}

/// `status`.
pub(crate) fn status(global: &Global, _: &Status) -> Result<()> {
    let status = global.client()?.get("/status")?;
    if global.json {
        println!("{status}");
        return Ok(());
    }
    println!("{} ({}), device {}", text(&status, "name"), text(&status, "role"), text(&status, "device"));
    println!("org           {}", text(&status, "org"));
    println!("clock         {}", time(status["wall_ms"].as_u64().unwrap_or(0)));
    if let Some(offset) = status["clock_offset_ms"].as_i64().filter(|offset| offset.abs() > 5_000) {
        println!("              WARNING: peers' clocks differ from this one by {} s", offset / 1000);
    }
    println!("entries       {} ({} wait for a predecessor)", text(&status, "entries"), text(&status, "held"));
    println!("epoch         {}", text(&status, "epoch"));
    power(&status["power"]);
    blobs(&status["blobs"]);
    for (scope, fingerprint) in status["scopes"].as_object().into_iter().flatten() {
        println!("scope         {scope}  {}", fingerprint.as_str().unwrap_or_default());
    }
    let peers = status["peers"].as_array().map_or(&[][..], Vec::as_slice);
    let connected = peers.iter().filter(|peer| peer["connected"] == true).count();
    println!("peers         {connected} of {} connected (see: peers)", peers.len());
    for fork in status["forks"].as_array().into_iter().flatten() {
        println!(
            "FORK          {} wrote two histories in {} from entry {}: was its disk cloned?",
            text(fork, "device"),
            text(fork, "stream"),
            text(fork, "seq")
        );
    }
    if status["quarantined"] != 0 {
        println!("QUARANTINED   {} entries whose author may not write them", text(&status, "quarantined"));
    }
    turned_away(&status);
    Ok(())
}

/// What others did wrong since the start; not a word where there is nothing.
fn turned_away(status: &Value) {
    for (what, counts, names) in [
        (
            "turned away",
            &status["turned_away"],
            &[
                ("datagrams_not_quic", "datagrams that are no QUIC"),
                ("datagrams_other_version", "datagrams of another version of QUIC"),
                ("datagrams_to_nobody", "datagrams for connections that never were"),
                ("handshakes_other_org", "handshakes with another org"),
                ("handshakes_untrusted", "handshakes without a good certificate"),
                ("handshakes_unfinished", "handshakes that others did not finish"),
                ("enrolments_failed", "enrolments that came to nothing"),
                ("links_bad_frame", "links that brought what is no frame, or too much at once"),
                ("links_silent", "links of peers that never said a whole word"),
            ][..],
        ),
        (
            "refused",
            &status["counters"],
            &[
                ("other_org", "sessions of another org"),
                ("bad_credential", "sessions whose credential is not good"),
                ("bad_frame", "sessions that sent what is no frame"),
                ("bad_signature", "sessions that sent what nobody signed"),
                ("parcels_refused", "parcels that are damaged, forged or another org's"),
            ][..],
        ),
    ] {
        let of = |name: &str| counts[name].as_u64().filter(|&count| count > 0);
        let counted: Vec<String> =
            names.iter().filter_map(|(name, words)| of(name).map(|count| format!("{count} {words}"))).collect();
        if !counted.is_empty() {
            println!("{what:<13} {} (the log says whose)", counted.join(", "));
        }
    }
}

/// What the node runs on, and what sync may spend because of that.
fn power(power: &Value) {
    let percent = power["percent"].as_u64().map_or_else(String::new, |percent| format!(", {percent} %"));
    let ignition = match power["ignition"].as_bool() {
        Some(true) => ", ignition on",
        Some(false) => ", ignition off",
        None => "",
    };
    println!("power         {}{percent}{ignition}", text(power, "state"));
    let policy = &power["policy"];
    if policy["beacon_factor"] != 1 {
        println!(
            "              policy: beacons {} times as far apart, bulk every {} s, attachments {}",
            text(policy, "beacon_factor"),
            text(policy, "bulk_every_s"),
            if policy["blobs"] == true { "yes" } else { "no" }
        );
    }
    if let Some(fault) = power["fault"].as_str() {
        println!("              WARNING: {fault}");
    }
}

/// Files attached, and the room they take.
fn blobs(blobs: &Value) {
    let mib = |field: &str| blobs[field].as_u64().unwrap_or(0) >> 20;
    println!(
        "attachments   {} here, {} in part, {} wanted; {} of {} MiB (policy: {})",
        text(blobs, "whole"),
        text(blobs, "partial"),
        text(blobs, "wanted"),
        mib("bytes"),
        mib("quota_bytes"),
        text(blobs, "policy")
    );
    if let Some(full) = blobs["full"].as_str() {
        println!("              WARNING: {full}");
    }
}

/// `doctor`. A fault found makes the command fail, whether it could be mended or not.
pub(crate) fn doctor(global: &Global, _: &Doctor) -> Result<()> {
    let report = global.client()?.post("/doctor", &json!({}))?;
    if global.json {
        println!("{report}");
    } else {
        println!(
            "{} documents reloaded, {} entries checked, {} rows compared",
            text(&report, "documents"),
            text(&report, "entries"),
            text(&report, "rows")
        );
        for fault in report["faults"].as_array().into_iter().flatten() {
            println!("FAULT {}", fault.as_str().unwrap_or_default());
        }
    }
    match report["faults"].as_array().map_or(0, Vec::len) {
        0 => Ok(()),
        faults if report["repaired"] == Value::Bool(true) => bail!("{faults} faults; the views were written anew"),
        faults => {
            bail!("{faults} faults; restore a backup, or move holdfast.db away and let peers bring everything back")
        }
    }
}
