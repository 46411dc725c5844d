//! Feed and register entries as rows, each read by itself.

use holdfast_domain::alert::{Alert, AlertWord};
use holdfast_domain::blob::{Attachment, BlobKey, Thumbnail};
use holdfast_domain::clock::Hlc;
use holdfast_domain::entry::Entry;
use holdfast_domain::feed::{
    self, AlertBody, BlobBody, BodyError, ControlBody, HoldsBody, MessageBody, RecordRef, RegisterBody, TrackBody,
};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::Patch;
use holdfast_domain::scope::{Scope, StreamKind};
use holdfast_domain::track::{Fix, UnitPosition};

use crate::segment;

/// The rows of an entry and its hybrid time. A mission's feed in another scope, or the org's in a mission, shows
/// nothing; so does a document's entry, which means something only within its document.
pub(crate) fn read(entry: &Entry) -> Result<(Vec<Patch>, Hlc), BodyError> {
    let author = entry.key.author;
    let (written, patch) = match (entry.key.stream.kind, entry.key.stream.scope) {
        (StreamKind::Message, Scope::Mission(mission)) => {
            let message = feed::decode::<MessageBody>(&entry.body)?.message(mission, author);
            (message.sent, Some(Patch::Message(message)))
        }
        (kind, Scope::Mission(mission)) if kind.is_track() => {
            let (written, unit, fixes) = match feed::decode(&entry.body)? {
                TrackBody::V1 { written, unit, source: _, fixes } => (written, unit, fixes),
                TrackBody::V2 { written, unit, source: _, segment } => (written, unit, segment::open(&segment)?),
                TrackBody::V3 { written, span, source: _, segment } => {
                    let mut fixes = segment::open(&segment)?;
                    fixes.retain(|fix| (span.first_ms..=span.last_ms).contains(&fix.at_ms));
                    (written, span.unit, fixes)
                }
            };
            let fixes = in_order(fixes);
            (written, (!fixes.is_empty()).then_some(Patch::Fixes { mission, unit, fixes }))
        }
        (StreamKind::Latest, Scope::Mission(mission)) => {
            let RegisterBody::PositionV1 { reported, unit, fix } = feed::decode(&entry.body)? else {
                return Ok((Vec::new(), Hlc::default()));
            };
            let position = UnitPosition { unit, mission, fix, author, reported };
            (reported, fix.check().is_ok().then_some(Patch::Position(position)))
        }
        (StreamKind::Blob, Scope::Mission(mission)) => match feed::decode(&entry.body)? {
            BlobBody::V1 { written, id, bytes, media_type, name, attached_to, thumbnail, from } => {
                let removed = None;
                let attached_to = attached_to.and_then(|about: RecordRef| about.record());
                // A small picture that no blob can be is none.
                let thumbnail = thumbnail.filter(|thumbnail: &Thumbnail| thumbnail.key().is_sound());
                let attachment = Attachment {
                    id,
                    mission,
                    bytes,
                    media_type,
                    name,
                    attached_to,
                    thumbnail,
                    from,
                    author,
                    written,
                    removed,
                };
                (written, BlobKey { id, bytes }.is_sound().then_some(Patch::Attachment(attachment)))
            }
            BlobBody::RemovedV1 { written, id } => (written, Some(Patch::AttachmentRemoved { mission, id, written })),
        },
        (StreamKind::Control, Scope::Org) => {
            match feed::decode(&entry.body)? {
                ControlBody::EnrolledV1 { written, device } => (written, Some(Patch::Device(device))),
                // It says how far streams are kept, and shows nothing.
                ControlBody::FloorV1 { written, .. } => (written, None),
            }
        }
        (StreamKind::Alert, scope) => {
            let (written, patch) = alert(scope.mission(), author, feed::decode(&entry.body)?);
            (written, Some(patch))
        }
        (StreamKind::Holds, _) => {
            // No row: who holds what is asked of the registers themselves.
            let HoldsBody::V1 { said, .. } = feed::decode(&entry.body)?;
            (said, None)
        }
        _ => (Hlc::default(), None),
    };
    Ok((patch.into_iter().collect(), written))
}

/// The row of an entry of an alert feed, and its hybrid time.
pub(crate) fn alert(mission: Option<MissionId>, author: AuthorId, body: AlertBody) -> (Hlc, Patch) {
    let word = |alert, at, from, text| AlertWord { alert, mission, device: None, author, from, at, text };
    match body {
        AlertBody::RaisedV1 { id, raised, severity, response, title, text, area, expires_ms, from } => {
            let (acknowledged, cancelled) = (0, None);
            let alert = Alert {
                id,
                mission,
                severity,
                response,
                title,
                text,
                area,
                expires_ms,
                from,
                author,
                raised,
                acknowledged,
                cancelled,
            };
            (raised, Patch::Alert(alert))
        }
        AlertBody::AcknowledgedV1 { alert, at, from, note } => {
            (at, Patch::AlertAcknowledged(word(alert, at, from, note)))
        }
        AlertBody::CancelledV1 { alert, at, from, reason } => {
            (at, Patch::AlertCancelled(word(alert, at, from, reason)))
        }
    }
}

/// Fixes that can stand, in order of time, the first of each millisecond.
pub(crate) fn in_order(mut fixes: Vec<Fix>) -> Vec<Fix> {
    fixes.retain(|fix| fix.check().is_ok());
    fixes.sort_by_key(|fix| fix.at_ms);
    fixes.dedup_by_key(|fix| fix.at_ms);
    fixes
}
