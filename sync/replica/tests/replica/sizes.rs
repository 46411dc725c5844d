//! How small history travels: bundles below zstd below raw, on work like that of a mission.

use std::collections::BTreeMap;

use holdfast_domain::clock::Hlc;
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::field::Change;
use holdfast_domain::frame::PackForm;
use holdfast_domain::id::{IncidentId, TaskId};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::incident::{IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::task::{TaskChange, TaskNew, TaskStatus};
use holdfast_replica::replica::{Context, Replica};

use crate::crew::*;

const AUTHORS: u16 = 20;
const EDITS: u16 = 2_000;
/// Authors that share a replica: what one of them does the others know at once.
const PER_REPLICA: u16 = 5;
/// Edits between two meetings of all.
const ROUND: u16 = 100;

fn random(n: u16, what: u8) -> [u8; 10] {
    blake3::hash(&[n.to_le_bytes().as_slice(), &[what]].concat()).as_bytes()[..10].try_into().expect("ten of 32")
}

/// The incident that the `n`th edit reports.
fn incident_at(n: u16) -> IncidentId {
    IncidentId::mint(START_MS + u64::from(n) * 7_000, random(n, 0))
}

/// The task that the `n`th edit makes.
fn task_at(n: u16) -> TaskId {
    TaskId::mint(START_MS + u64::from(n) * 7_000, random(n, 1))
}

/// The `n`th edit of a mission in which things are reported, worked on, and noted.
fn edit(n: u16) -> Edit {
    // Something made before the last meeting, so that every author knows it.
    let known = n.wrapping_mul(7) % (n / ROUND * ROUND / 10).max(1) * 10;
    let (known_incident, known_task) = (incident_at(known), task_at(known + 1));
    let number = Some(format!("engine-{}-{n}", n % AUTHORS));
    match n % 10 {
        0 => {
            let id = Some(incident_at(n));
            Edit::IncidentOpen(mission(), IncidentNew { id, number, address: format!("{n} Bay St"), ..incident_new(1) })
        }
        1 => Edit::TaskOpen(mission(), TaskNew { id: Some(task_at(n)), number, incident: None, ..task_new(1) }),
        2..=5 => {
            let status = Some([IncidentStatus::Dispatched, IncidentStatus::OnScene][usize::from(n / 10 % 2)]);
            let priority = Some((n / 10 % 5) as u8 + 1);
            let change = IncidentChange { status, priority, ..IncidentChange::default() };
            Edit::IncidentChange(mission(), known_incident, change)
        }
        6 => {
            let notes = Change::Set(format!("water supply at hydrant {n}, crew of {}", n % 7));
            Edit::IncidentChange(mission(), known_incident, IncidentChange { notes, ..IncidentChange::default() })
        }
        _ => {
            let status = Some(TaskStatus::ALL[usize::from(n / 10 % 3)]);
            let change = TaskChange { status, priority: Some((n / 10 % 5) as u8 + 1), ..TaskChange::default() };
            Edit::TaskChange(mission(), known_task, change)
        }
    }
}

/// The board's history of a mission by twenty authors, and a replica that has all of it.
fn history() -> (Replica, Vec<Entry>) {
    let mut replicas: Vec<Replica> = (0..AUTHORS / PER_REPLICA).map(|_| Replica::new()).collect();
    for replica in &mut replicas {
        replica.open(board(), None, &[]).expect("an empty document opens");
    }
    let mut seqs: BTreeMap<AuthorId, u64> = BTreeMap::new();
    let mut all: Vec<Entry> = Vec::new();
    let mut said = 0;
    for n in 0..EDITS {
        let author =
            AuthorId(blake3::hash(&(n % AUTHORS).to_le_bytes()).as_bytes()[..16].try_into().expect("16 of 32"));
        let context = Context { author, hlc: Hlc::new(START_MS + u64::from(n) * 7_000, 0), from: "engine-7" };
        let edits = if n == 0 { vec![mission_new(), edit(n)] } else { vec![edit(n)] };
        let draft = replicas[usize::from(n % AUTHORS / PER_REPLICA)].draft(&context, &edits);
        for (stream, body) in draft.bodies {
            let seq = seqs.entry(author).or_default();
            *seq += 1;
            all.push(Entry::next(EntryKey { stream, author, seq: *seq }, None, body));
        }
        if n == 0 || n % ROUND == ROUND - 1 {
            for replica in &mut replicas {
                assert_eq!(replica.merge(&all[said..]).unreadable, 0);
            }
            said = all.len();
        }
    }
    all.sort_by_key(|entry| entry.key);
    (replicas.swap_remove(0), all)
}

#[test]
fn a_bundle_is_smaller_than_zstd_and_zstd_than_raw() {
    let (replica, entries) = history();
    let raw: usize = entries.iter().map(|entry| entry.body.len()).sum();
    let (form, bundle) = replica.pack(board(), &entries, true);
    assert_eq!((form, replica.bundle_mismatches()), (PackForm::Bundle, 0));
    let (form, zstd) = replica.pack(board(), &entries, false);
    assert_eq!(form, PackForm::RawZstd);
    let count = entries.len();
    println!(
        "{count} changes: {} B raw, {} B zstd, {} B bundle each; {} B document",
        raw / count,
        zstd.len() / count,
        bundle.len() / count,
        replica.snapshot(board()).map_or(0, |bytes| bytes.len()) / count,
    );
    assert!(count > usize::from(EDITS) * 3 / 4, "most edits did something: {count}");
    assert!(bundle.len() * 2 < zstd.len(), "bundle {} B, zstd {} B", bundle.len(), zstd.len());
    assert!(zstd.len() * 2 < raw, "zstd {} B, raw {raw} B", zstd.len());
}

#[test]
fn changes_that_arrive_in_reverse_wait_and_then_all_apply() {
    let (replica, mut entries) = history();
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.key.seq, entry.key.author)));
    let mut late = Replica::new();
    late.open(board(), None, &[]).expect("an empty document opens");
    for part in entries.chunks(500) {
        late.merge(part);
    }
    assert_eq!(late.held(), 0);
    assert_eq!(late.heads(board()), replica.heads(board()));
    assert_eq!(late.rows(board()), replica.rows(board()));
}
