//! The replica: the open documents, and the one door for drafts, merges, rows and packs.

use std::cell::Cell;
use std::collections::BTreeMap;

use automerge::AutomergeError;
use holdfast_domain::clock::Hlc;
use holdfast_domain::edit::{Edit, Outcome};
use holdfast_domain::entry::{Digest, Entry, EntryKey};
use holdfast_domain::feed::{BodyError, TrackSpan};
use holdfast_domain::floor::Generation;
use holdfast_domain::frame::PackForm;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::ENTRY_BODY_BYTES_MAX;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Family, Scope, StreamId, StreamKind};

use crate::document::Document;
use crate::draft::draft;
use crate::feed;
use crate::gesture::Gesture;
use crate::layout::Table;
use crate::merge::Place;
use crate::pack;

/// Gives entries their meaning.
///
/// Before [`draft`](Self::draft) or [`merge`](Self::merge) the documents concerned must be open: those named by
/// [`documents_of`] for a draft, those of the entries' streams for a merge. Both change open documents at once, while
/// the caller has yet to store what came of it; if storing fails, [`close`](Self::close) the documents and open them
/// again from what is stored.
#[derive(Debug, Default)]
pub struct Replica {
    pub(crate) documents: BTreeMap<StreamId, Document>,
    bundle_mismatches: Cell<u64>,
}

/// Who drafts, and when.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The author of the change.
    pub author: AuthorId,
    /// The hybrid time of the gesture.
    pub hlc: Hlc,
    /// Name of the sender, for messages.
    pub from: &'a str,
}

/// What came of a gesture.
#[derive(Debug, Default)]
pub struct Draft {
    /// Bodies to store, each as the author's next entry in its stream; at most one for each document.
    pub bodies: Vec<(StreamId, Vec<u8>)>,
    /// How the views change.
    pub patches: Vec<Patch>,
    /// What came of each edit, in order. A refused edit wrote nothing.
    pub outcomes: Vec<Result<Outcome, Refusal>>,
}

/// What came of entries.
#[derive(Debug, Default)]
pub struct Merged {
    /// How the views change.
    pub patches: Vec<Patch>,
    /// The newest hybrid time in them. A change knows only milliseconds, so it counts as the last of its millisecond.
    pub newest: Hlc,
    /// Entries that mean nothing here: refused ones, and feed bodies of versions unknown to this node.
    pub unreadable: u64,
    /// Entries of documents that can never be applied, on no node: the body is no change of its author, or builds on
    /// what is not there, or the chain before it was refused. Keep and relay them, but leave them out of the tail given
    /// to [`Replica::open`] (a tail says nothing of who signed a body), and [`bar`](Replica::bar) them instead. An
    /// entry that waited may be named by a later merge.
    pub refused: Vec<EntryKey>,
}

/// Why a document does not open. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// Only boards and rosters of missions are documents.
    #[error("{stream} is no document")]
    NotADocument {
        /// What was to be opened.
        stream: StreamId,
    },
    /// The snapshot is damaged.
    #[error("the snapshot of {stream} does not load")]
    Snapshot {
        /// The document.
        stream: StreamId,
        /// What automerge says.
        source: Box<AutomergeError>,
    },
    /// The snapshot is damaged beyond what automerge can tell.
    #[error("the snapshot of {stream} is no automerge document")]
    Unloadable {
        /// The document.
        stream: StreamId,
    },
    /// A change that this node made to its own document is none that the document takes.
    #[error("{stream} does not take what was to be written into it anew")]
    NotTaken {
        /// The document.
        stream: StreamId,
    },
    /// The snapshot is of another kind of document.
    #[error("the snapshot of {stream} does not begin as such a document does")]
    OtherBeginning {
        /// The document.
        stream: StreamId,
    },
}

/// The documents that must be open to draft this edit; none for the opening of a mission without an id, and for what is
/// said to an alert.
pub fn documents_of(edit: &Edit) -> Vec<StreamId> {
    let Some(mission) = edit.mission() else { return Vec::new() };
    if matches!(edit, Edit::AlertAcknowledge(..) | Edit::AlertCancel(..)) {
        return Vec::new();
    }
    let on_roster = match edit {
        Edit::UnitAdd(..) | Edit::UnitChange(..) | Edit::PositionReport(..) | Edit::TrackAppend(..) => true,
        Edit::TaskOpen(_, new) => new.assignee.is_some(),
        Edit::TaskChange(_, _, change) => change.assignee.value().is_some(),
        Edit::Delete(_, record) | Edit::Restore(_, record) | Edit::ConflictResolve(_, record, _) => {
            matches!(record, RecordId::Unit(_))
        }
        Edit::MissionOpen(_)
        | Edit::MissionChange(..)
        | Edit::IncidentOpen(..)
        | Edit::IncidentChange(..)
        | Edit::MessageSend(..)
        | Edit::AlertRaise(..)
        | Edit::AlertAcknowledge(..)
        | Edit::AlertCancel(..) => false,
    };
    let mut streams = vec![StreamId::new(Scope::Mission(mission), StreamKind::Board)];
    if on_roster {
        streams.push(StreamId::new(Scope::Mission(mission), StreamKind::Roster));
    }
    streams
}

/// The document that keeps a record; `None` for what is in no document.
pub fn document_of(mission: MissionId, record: RecordId) -> Option<StreamId> {
    Some(StreamId::new(Scope::Mission(mission), Table::of_record(record)?.document()))
}

impl Replica {
    /// A replica with no document open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a document is open.
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.documents.contains_key(&stream)
    }

    /// Opens the first generation of a document from its snapshot and the bodies of the entries after it, in any order;
    /// in place of what was open of it. Bodies whose predecessors are missing wait again.
    pub fn open(&mut self, stream: StreamId, snapshot: Option<&[u8]>, tail: &[Vec<u8>]) -> Result<(), ReplicaError> {
        let tail = tail.iter().map(|body| (0, body.as_slice()));
        let document = Document::open(stream, Generation::FIRST, snapshot, tail)?;
        self.documents.insert(stream, document);
        Ok(())
    }

    /// Opens a generation of a document; each body comes with the number of its entry, and each author's in order.
    /// Bodies of other generations are passed over.
    pub fn open_at(
        &mut self,
        stream: StreamId,
        generation: Generation,
        snapshot: Option<&[u8]>,
        tail: &[(u64, Vec<u8>)],
    ) -> Result<(), ReplicaError> {
        let tail = tail.iter().map(|(seq, body)| (*seq, body.as_slice()));
        let document = Document::open(stream, generation, snapshot, tail)?;
        self.documents.insert(stream, document);
        Ok(())
    }

    /// Ends an author's chain in an open document before this entry: the entry was refused, here or by policy, and is
    /// not in what the document was opened from. What follows it is refused by the next merge instead of waiting for
    /// ever. Call this after [`open`](Self::open), for each such entry.
    pub fn bar(&mut self, key: &EntryKey) {
        if let Some(document) = self.documents.get_mut(&key.stream) {
            document.bar((key.author, key.seq));
        }
    }

    /// Forgets a document: after a failed commit, or to save memory.
    pub fn close(&mut self, stream: StreamId) {
        self.documents.remove(&stream);
    }

    /// Drafts one gesture: each edit is checked against the documents as the edits before it would leave them, and what
    /// they write becomes at most one change for each document.
    pub fn draft(&mut self, context: &Context<'_>, edits: &[Edit]) -> Draft {
        let mut gesture = Gesture::new(&self.documents);
        let mut said = Vec::new();
        let mut room = ENTRY_BODY_BYTES_MAX;
        let take = |edit| {
            room = room.checked_sub(bytes_in_document(edit)).ok_or_else(too_large)?;
            draft(&mut gesture, context, edit, &mut said)
        };
        let outcomes = edits.iter().map(take).collect();
        let mut drafted = Draft { outcomes, ..Draft::default() };
        let writes = gesture.writes();
        let streams: Vec<StreamId> = writes.keys().copied().collect();
        for (stream, writes) in writes {
            let Some(document) = self.documents.get_mut(&stream) else { continue };
            let before = document.conflicts(writes.keys().copied());
            match document.write(context.author, context.hlc.ms(), writes) {
                Ok(Some(body)) => drafted.bodies.push((stream, body)),
                Ok(None) => {}
                Err(error) => {
                    for stream in streams {
                        self.close(stream);
                    }
                    return not_saved(drafted, &error);
                }
            }
            document.show(before, &mut drafted.patches);
        }
        for said in said {
            drafted.bodies.push((said.stream, said.body));
            drafted.patches.push(said.patch);
        }
        drafted
    }

    /// Takes in entries whose signatures hold, in any order; seeing one twice does no harm.
    pub fn merge(&mut self, entries: &[Entry]) -> Merged {
        let mut merged = Merged::default();
        let mut changes: BTreeMap<StreamId, Vec<(Place, &[u8])>> = BTreeMap::new();
        for entry in entries {
            if entry.key.stream.kind.family() == Family::Document {
                let place = (entry.key.author, entry.key.seq);
                changes.entry(entry.key.stream).or_default().push((place, &entry.body));
            } else {
                match feed::read(entry) {
                    Ok((patches, written)) => {
                        merged.patches.extend(patches);
                        merged.newest = merged.newest.max(written);
                    }
                    Err(BodyError { .. }) => merged.unreadable += 1,
                }
            }
        }
        for (stream, bodies) in changes {
            let Some(document) = self.documents.get_mut(&stream) else {
                merged.unreadable += bodies.len() as u64;
                continue;
            };
            let mut refused = Vec::new();
            let newest_ms = document.merge(bodies.into_iter(), &mut merged.patches, &mut refused);
            merged.newest = merged.newest.max(Hlc::new(newest_ms, u16::MAX));
            merged.unreadable += refused.len() as u64;
            merged.refused.extend(refused.into_iter().map(|(author, seq)| EntryKey { stream, author, seq }));
        }
        merged
    }

    /// Changes that wait for a predecessor, in all open documents.
    pub fn held(&self) -> usize {
        self.documents.values().map(Document::held).sum()
    }

    /// An open document as rows in order of record id; what [`merge`](Self::merge) and [`draft`](Self::draft) told bit
    /// by bit, told at once.
    pub fn rows(&self, stream: StreamId) -> Vec<Patch> {
        self.documents.get(&stream).map_or(Vec::new(), Document::rows)
    }

    /// The changes that make a record of an open document what it is: for each author the newest of which a value or a
    /// rival stands, in order of author. Empty if there is no such record. Whoever holds these, and what they follow
    /// from, has the record as it is here. The numbers are those of the document's generation.
    pub fn written(&self, stream: StreamId, record: RecordId) -> Vec<(AuthorId, u64)> {
        self.documents.get(&stream).map_or(Vec::new(), |document| document.written(record))
    }

    /// One entry of a feed or register as rows.
    pub fn rows_of_feed(entry: &Entry) -> Result<Vec<Patch>, BodyError> {
        feed::read(entry).map(|(patches, _)| patches)
    }

    /// The stretches of tracks that an entry shows.
    pub fn spans_of_feed(entry: &Entry) -> Vec<TrackSpan> {
        let rows = Self::rows_of_feed(entry).unwrap_or_default();
        let span =
            |row| if let Patch::Fixes { unit, fixes, .. } = row { Some(TrackSpan::of(unit, &fixes)) } else { None };
        rows.into_iter().filter_map(span).collect()
    }

    /// An open document as a snapshot: all that is applied. Changes that wait are not in it.
    pub fn snapshot(&self, stream: StreamId) -> Option<Vec<u8>> {
        self.documents.get(&stream).map(Document::snapshot)
    }

    /// A fingerprint of an open document; equal ones mean equal documents.
    pub fn heads(&self, stream: StreamId) -> Option<Digest> {
        self.documents.get(&stream).map(Document::heads)
    }

    /// Packs the bodies of entries of one stream, author by author in order. With `bundle`, changes that are all
    /// applied here travel as an automerge bundle, if unpacking it gives the same bytes again.
    pub fn pack(&self, stream: StreamId, entries: &[Entry], bundle: bool) -> (PackForm, Vec<u8>) {
        if let Some(document) = self.documents.get(&stream).filter(|_| bundle && !entries.is_empty()) {
            match pack::bundle(&document.doc, entries) {
                pack::Bundled::Exact(payload) => return (PackForm::Bundle, payload),
                pack::Bundled::Mismatch => self.bundle_mismatches.set(self.bundle_mismatches.get() + 1),
                pack::Bundled::NotApplied => {}
            }
        }
        pack::raw(entries)
    }

    /// Leaves out of entries what waits for a predecessor, and what its author wrote after it: a bundle cannot hold it.
    pub fn without_waiting(&self, stream: StreamId, entries: Vec<Entry>) -> Vec<Entry> {
        match self.documents.get(&stream) {
            Some(document) if self.held_in(stream) > 0 => pack::without_waiting(&document.doc, entries),
            _ => entries,
        }
    }

    /// How many bundles did not unpack to the bytes they were made of, and were sent raw instead.
    pub fn bundle_mismatches(&self) -> u64 {
        self.bundle_mismatches.get()
    }
}

/// At most how many bytes an edit adds to a document's change: texts are written there as they are, and everything else
/// is shorter than in JSON.
fn bytes_in_document(edit: &Edit) -> usize {
    match edit {
        Edit::MessageSend(..)
        | Edit::PositionReport(..)
        | Edit::TrackAppend(..)
        | Edit::AlertRaise(..)
        | Edit::AlertAcknowledge(..)
        | Edit::AlertCancel(..) => 0,
        _ => serde_json::to_vec(edit).map_or(0, |json| json.len()),
    }
}

/// The edit does not fit into one entry with those before it.
fn too_large() -> Refusal {
    let fault = format!("take more than {ENTRY_BODY_BYTES_MAX} bytes together; send them in several requests");
    Refusal::Invalid { field: "edits", fault }
}

/// Nothing of the gesture stands.
fn not_saved(drafted: Draft, error: &AutomergeError) -> Draft {
    let refuse =
        |outcome: Result<Outcome, Refusal>| outcome.and_then(|_| Err(Refusal::NotSaved { fault: error.to_string() }));
    Draft { outcomes: drafted.outcomes.into_iter().map(refuse).collect(), ..Draft::default() }
}
