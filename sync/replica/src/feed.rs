//! Feed and register entries as rows, each read by itself.

use holdfast_domain::blob::{Attachment, BlobKey, Thumbnail};
use holdfast_domain::clock::Hlc;
use holdfast_domain::entry::Entry;
use holdfast_domain::feed::{self, BlobBody, BodyError, ControlBody, MessageBody, RecordRef, RegisterBody, TrackBody};
use holdfast_domain::message::Message;
use holdfast_domain::record::Patch;
use holdfast_domain::scope::{Scope, StreamKind};
use holdfast_domain::track::{Fix, UnitPosition};

/// The rows of an entry and its hybrid time. A mission's feed in another scope, or the org's in a mission, shows
/// nothing; so does a document's entry, which means something only within its document.
pub(crate) fn read(entry: &Entry) -> Result<(Vec<Patch>, Hlc), BodyError> {
    let author = entry.key.author;
    let (written, patch) = match (entry.key.stream.kind, entry.key.stream.scope) {
        (StreamKind::Message, Scope::Mission(mission)) => {
            let MessageBody::V1 { id, sent, channel, from, text } = feed::decode(&entry.body)?;
            (sent, Some(Patch::Message(Message { id, mission, channel, from, author, sent, text })))
        }
        (StreamKind::Track, Scope::Mission(mission)) => {
            let TrackBody::V1 { written, unit, source: _, fixes } = feed::decode(&entry.body)?;
            let fixes = in_order(fixes);
            (written, (!fixes.is_empty()).then_some(Patch::Fixes { mission, unit, fixes }))
        }
        (StreamKind::Latest, Scope::Mission(mission)) => {
            let RegisterBody::PositionV1 { reported, unit, fix } = feed::decode(&entry.body)?;
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
            let ControlBody::EnrolledV1 { written, device } = feed::decode(&entry.body)?;
            (written, Some(Patch::Device(device)))
        }
        _ => (Hlc::default(), None),
    };
    Ok((patch.into_iter().collect(), written))
}

/// Fixes that can stand, in order of time, the first of each millisecond.
pub(crate) fn in_order(mut fixes: Vec<Fix>) -> Vec<Fix> {
    fixes.retain(|fix| fix.check().is_ok());
    fixes.sort_by_key(|fix| fix.at_ms);
    fixes.dedup_by_key(|fix| fix.at_ms);
    fixes
}
