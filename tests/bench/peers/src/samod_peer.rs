//! A samod repository as a process: documents in a folder, TCP to one other, told what to do on its standard input.
//!
//! `make DIR COUNT [FILE]` makes documents (the first from a saved automerge file) and prints their ids, a line each.
//! `apply DIR ID FILE` merges a saved automerge file into a document.
//! `run DIR IDS [LISTEN]` opens the documents, listens if told to, and prints `ready`. Then it takes `dial HOST PORT`,
//! `edit COUNT` (each change is printed as `change HEX`) and the end of its input; whenever the heads of all documents change it prints `state HASH`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automerge::transaction::Transactable;
use automerge::{Automerge, ROOT};
use samod::storage::TokioFilesystemStorage;
use samod::tokio_io::TcpDialer;
use samod::{BackoffConfig, DocHandle, DocumentId, Repo, Transport, Url};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

/// How often heads are looked at.
const GLANCE: Duration = Duration::from_millis(20);

async fn repo(dir: &str) -> Repo {
    Repo::build_tokio().with_storage(TokioFilesystemStorage::new(dir)).load().await
}

fn small(number: usize) -> Result<Automerge> {
    let mut doc = Automerge::new();
    let mut change = doc.transaction();
    change.put(ROOT, "name", format!("Mission {number}"))?;
    change.commit();
    Ok(doc)
}

async fn make(dir: &str, count: usize, first: Option<&String>) -> Result<()> {
    let repo = repo(dir).await;
    for number in 0..count {
        let content = match first {
            Some(file) if number == 0 => Automerge::load(&std::fs::read(file)?)?,
            _ => small(number)?,
        };
        println!("{}", repo.create(content).await?.document_id());
    }
    repo.stop().await;
    Ok(())
}

async fn open(repo: &Repo, id: &str) -> Result<DocHandle> {
    let id: DocumentId = id.parse().ok().with_context(|| format!("{id} is no document id"))?;
    repo.find(id).await?.context("the document is not here")
}

async fn apply(dir: &str, id: &str, file: &str) -> Result<()> {
    let repo = repo(dir).await;
    let mut other = Automerge::load(&std::fs::read(file)?)?;
    open(&repo, id).await?.with_document(|doc| doc.merge(&mut other).map(drop))?;
    repo.stop().await;
    Ok(())
}

fn state(docs: &[DocHandle]) -> u64 {
    let mut sum = DefaultHasher::new();
    for doc in docs {
        let heads = doc.with_document(|doc| doc.get_heads());
        heads.iter().for_each(|head| head.as_ref().hash(&mut sum));
    }
    sum.finish()
}

fn edit(docs: &[DocHandle], count: usize, round: usize) -> Result<()> {
    for doc in docs.iter().step_by((docs.len() / count).max(1)).take(count) {
        doc.with_document(|doc| -> Result<()> {
            let mut change = doc.transaction();
            let fields = BTreeMap::from([("title", "Relieve crew at gate"), ("status", "open"), ("priority", "2")]);
            let task = change.put_object(ROOT, format!("task {round}"), automerge::ObjType::Map)?;
            for (name, value) in fields {
                change.put(&task, name, value)?;
            }
            change.commit();
            let bytes = doc.get_last_local_change().context("a change was made")?.raw_bytes().to_vec();
            println!("change {}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            Ok(())
        })?;
    }
    Ok(())
}

async fn listen(repo: Repo, address: String) -> Result<()> {
    let listener = TcpListener::bind(&address).await?;
    let acceptor = repo.make_acceptor(Url::parse(&format!("tcp://{address}")).context("an address")?)?;
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            io.set_nodelay(true).ok();
            acceptor.accept(Transport::from_tokio_io(io)).ok();
        }
    });
    Ok(())
}

async fn run(dir: &str, ids: &str, address: Option<&String>) -> Result<()> {
    let repo = repo(dir).await;
    let mut docs = Vec::new();
    for id in std::fs::read_to_string(ids)?.lines() {
        docs.push(open(&repo, id).await?);
    }
    if let Some(address) = address {
        listen(repo.clone(), address.clone()).await?;
    }
    println!("ready");
    let (mut told, mut round) = (0, 0);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut glance = tokio::time::interval(GLANCE);
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { break };
                let words: Vec<&str> = line.split_whitespace().collect();
                match words[..] {
                    ["dial", host, port] => {
                        let dialer = TcpDialer::new_host_port(host.to_owned(), port.parse()?);
                        repo.dial(BackoffConfig::default(), Arc::new(dialer))?;
                    }
                    ["edit", count] => {
                        round += 1;
                        edit(&docs, count.parse()?, round)?;
                    }
                    _ => bail!("{line} is no command"),
                }
            }
            _ = glance.tick() => {}
        }
        let now = state(&docs);
        if now != told {
            told = now;
            println!("state {now:016x}");
        }
    }
    repo.stop().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [word, dir, count, rest @ ..] if word == "make" => make(dir, count.parse()?, rest.first()).await,
        [word, dir, id, file] if word == "apply" => apply(dir, id, file).await,
        [word, dir, ids, rest @ ..] if word == "run" => run(dir, ids, rest.first()).await,
        _ => bail!("give make, apply or run; see the top of samod_peer.rs"),
    }
}
