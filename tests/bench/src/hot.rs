//! One hot path on its own, for counting its instructions: `holdfast-hot DATABASE MISSION pack|unpack|verify|merge`.
//!
//! What is counted happens in `measured`, all else is preparation. Prints how many changes or signatures went through.

use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::entry::{Digest, Entry, Signature};
use holdfast_domain::frame::PackRange;
use holdfast_domain::identity::PublicKey;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_replica::pack;
use holdfast_replica::replica::Replica;
use holdfast_store::store::Store;

/// Entries that go through: what a busy shift leaves to be sent.
const ENTRIES: usize = 500;

/// The part that is counted; never inlined, so that it can be told apart.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    std::hint::black_box(work())
}

/// The newest entries of a document, author by author, and the document without them.
struct Work {
    stream: StreamId,
    older: Vec<Vec<u8>>,
    newest: Vec<Entry>,
}

fn work(database: &str, mission: &str) -> Result<Work> {
    let store = Store::open(database.as_ref())?;
    let stream = StreamId::new(Scope::Mission(mission.parse()?), StreamKind::Board);
    let mut entries: Vec<Entry> =
        store.feed_entries(stream, 0, usize::from(u16::MAX) * 16)?.into_iter().map(|(_, entry)| entry).collect();
    ensure!(entries.len() > ENTRIES, "{database} holds only {} changes", entries.len());
    let mut newest = entries.split_off(entries.len() - ENTRIES);
    newest.sort_by_key(|entry| entry.key);
    Ok(Work { stream, older: entries.into_iter().map(|entry| entry.body).collect(), newest })
}

fn ranges(entries: &[Entry]) -> Vec<PackRange> {
    let runs = entries.chunk_by(|a, b| a.key.author == b.key.author && a.key.seq + 1 == b.key.seq);
    let range = |run: &[Entry]| PackRange {
        author: run[0].key.author,
        first: run[0].key.seq,
        count: run.len() as u32,
        skips: Vec::new(),
        base: Digest([0; 32]).short(),
        signatures: Vec::new(),
    };
    runs.map(range).collect()
}

fn verify() -> usize {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = PublicKey(key.verifying_key().to_bytes());
    let texts: Vec<Vec<u8>> = (0..ENTRIES).map(|number| format!("signed text {number}").into_bytes()).collect();
    let signatures: Vec<Signature> = texts.iter().map(|text| Signature(key.sign(text).to_bytes())).collect();
    measured(|| texts.iter().zip(&signatures).filter(|(text, signature)| public.verifies(text, signature)).count())
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [database, mission, path] = &args[..] else { bail!("give DATABASE MISSION pack|unpack|verify|merge") };
    if path == "verify" {
        println!("{}", verify());
        return Ok(());
    }
    let Work { stream, older, newest } = work(database, mission)?;
    let mut replica = Replica::new();
    replica.open(stream, None, &older)?;
    if path == "merge" {
        measured(|| replica.merge(&newest));
        println!("{}", newest.len());
        return Ok(());
    }
    replica.merge(&newest);
    if path == "pack" {
        let (form, payload) = measured(|| replica.pack(stream, &newest, true));
        eprintln!("{form:?}, {} bytes", payload.len());
    } else {
        let (form, payload) = replica.pack(stream, &newest, true);
        let bodies = measured(|| pack::unpack(form, &payload, &ranges(&newest))).context("what was packed unpacks")?;
        ensure!(bodies.len() == newest.len(), "other bodies came out");
    }
    println!("{}", newest.len());
    Ok(())
}
