//! What a merge left for people to settle: the open conflicts of a record, the same on every node.

use automerge::{Automerge, ChangeHash, ObjId, ReadDoc};
use holdfast_domain::conflict::{Conflict, ConflictKind, Rival};
use holdfast_domain::entry::Digest;
use holdfast_domain::field::Deletion;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use serde_json::Value;

use crate::genesis::{NOBODY, author_in};
use crate::layout::{ASSIGNEE, DELETED, Field};
use crate::record::{Candidate, Record};
use crate::value;

/// Every open conflict of a record, in the order of its fields. While a record is deleted only the deletion can be at
/// odds; what else is comes up again when it is restored.
pub(crate) fn of_record(doc: &Automerge, mission: MissionId, record: &Record) -> Vec<Conflict> {
    if let Some(conflict) = of_deletion(doc, mission, record) {
        return vec![conflict];
    }
    if record.deletion().is_some() {
        return Vec::new();
    }
    let fields = record.table.fields().iter().copied().filter(|(name, _)| *name != DELETED);
    fields.filter_map(|field| of_field(doc, mission, record, field)).collect()
}

/// The operation whose value a choice names, if the field is at odds and has that rival.
pub(crate) fn chosen(doc: &Automerge, record: &Record, field: Field, choice: &Digest) -> Option<Candidate> {
    if !record.is_rivalled(field) {
        return None;
    }
    distinct(record, field).into_iter().map(|(_, candidate)| candidate).find(|candidate| {
        let rival = rival(doc, field, candidate, false);
        rival.choice == *choice
    })
}

fn of_field(doc: &Automerge, mission: MissionId, record: &Record, field: Field) -> Option<Conflict> {
    if !record.is_rivalled(field) {
        return None;
    }
    let rivals = distinct(record, field);
    let last = rivals.len() - 1;
    let rivals = rivals.iter().enumerate().map(|(at, (_, candidate))| rival(doc, field, candidate, at == last));
    let kind = if field.0 == ASSIGNEE { ConflictKind::Assignees } else { ConflictKind::Values };
    Some(Conflict { mission, record: record.id, field: field.0.to_owned(), kind, rivals: rivals.collect() })
}

/// The values that read differently, each with the newest operation that wrote it, oldest first.
fn distinct(record: &Record, (name, form): Field) -> Vec<(Value, Candidate)> {
    let mut values: Vec<(Value, Candidate)> = Vec::new();
    for candidate in record.candidates(name) {
        let value = form.json(Some(&candidate.value));
        values.retain(|(known, _)| *known != value);
        values.push((value, candidate.clone()));
    }
    values
}

fn rival(doc: &Automerge, (name, form): Field, candidate: &Candidate, shown: bool) -> Rival {
    let value = form.json(Some(&candidate.value));
    let (author, at_ms) = origin(doc, &candidate.op);
    Rival { choice: choice(name, &value, &candidate.op), value, author, at_ms, shown }
}

/// The name of a rival: its field, its value and the operation that wrote it.
fn choice(field: &str, value: &Value, op: &ObjId) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast conflict choice v1");
    for part in [field.as_bytes(), value.to_string().as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    if let ObjId::Id(counter, actor, _) = op {
        hasher.update(&counter.to_le_bytes());
        hasher.update(actor.to_bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Who wrote an operation, and when by the author's clock.
fn origin(doc: &Automerge, op: &ObjId) -> (AuthorId, u64) {
    let author = match op {
        ObjId::Id(_, actor, _) => author_in(actor).map_or(NOBODY, |(author, _)| author),
        ObjId::Root => NOBODY,
    };
    let change = doc.hash_for_opid(op).and_then(|hash| doc.get_change_meta_by_hash(&hash));
    (author, change.map_or(0, |change| change.timestamp.max(0) as u64))
}

/// What a record's deletion is at odds with.
enum Odds {
    /// A deletion that saw other content than stands now.
    Edited { deletion: Candidate },
    /// A deletion and a restoration that knew nothing of each other.
    Restored { deletion: Candidate, restoration: Candidate },
}

/// A deletion meets an edit if no deletion that stands saw the content that stands. It meets a restoration if both
/// stand. Several deletions are at one with each other.
fn of_deletion(doc: &Automerge, mission: MissionId, record: &Record) -> Option<Conflict> {
    let odds = odds(record)?;
    let shown_deleted = record.deletion().is_some();
    let (deletion, edit) = match &odds {
        Odds::Edited { deletion } => (&deletion.op, newest_unseen(doc, record, &deletion.op)),
        Odds::Restored { deletion, restoration } => (&deletion.op, restoration.op.clone()),
    };
    let mut rivals: Vec<Rival> = [("deleted", deletion, shown_deleted), ("edited", &edit, !shown_deleted)]
        .into_iter()
        .map(|(word, op, shown)| {
            let value = Value::from(word);
            let (author, at_ms) = origin(doc, op);
            Rival { choice: choice(DELETED, &value, op), value, author, at_ms, shown }
        })
        .collect();
    rivals.sort_by_key(|rival| rival.shown);
    Some(Conflict {
        mission,
        record: record.id,
        field: DELETED.to_owned(),
        kind: ConflictKind::DeletedAndEdited,
        rivals,
    })
}

fn odds(record: &Record) -> Option<Odds> {
    let (deletions, restorations): (Vec<&Candidate>, Vec<&Candidate>) =
        record.candidates(DELETED).iter().partition(|candidate| value::deletion(Some(&candidate.value)).is_some());
    let deletion = (*deletions.last()?).clone();
    if let Some(restoration) = restorations.last() {
        return Some(Odds::Restored { deletion, restoration: (*restoration).clone() });
    }
    let present = record.basis();
    let seen = |deletion: Deletion| deletion.basis == present;
    let settled = deletions.iter().filter_map(|candidate| value::deletion(Some(&candidate.value))).any(seen);
    (!settled).then_some(Odds::Edited { deletion })
}

/// Whether a record's deletion is at odds with something.
pub(crate) fn deletion_at_odds(record: &Record) -> bool {
    odds(record).is_some()
}

/// Whether a choice names the deletion (`true`) or what it is at odds with (`false`); `None` if it names neither.
pub(crate) fn chosen_deletion(doc: &Automerge, mission: MissionId, record: &Record, choice: &Digest) -> Option<bool> {
    let conflict = of_deletion(doc, mission, record)?;
    let rival = conflict.rivals.iter().find(|rival| rival.choice == *choice)?;
    Some(rival.value == "deleted")
}

/// The newest operation in the record's content that the deleter had not seen.
fn newest_unseen(doc: &Automerge, record: &Record, deletion: &ObjId) -> ObjId {
    let seen: Vec<ChangeHash> = doc.hash_for_opid(deletion).into_iter().collect();
    let unseen = |field: &str, op: &ObjId| {
        !record.objects.iter().any(|object| {
            let at_deletion = doc.get_all_at(object, field, &seen).unwrap_or_default();
            at_deletion.iter().any(|(_, known)| known == op)
        })
    };
    let ops = record.content().flat_map(|(field, all)| all.iter().map(move |candidate| (field, &candidate.op)));
    let newest = ops.filter(|(field, op)| unseen(field, op)).map(|(_, op)| op).max();
    newest.unwrap_or(deletion).clone()
}
