//! What happened since the start, counted by name: the vocabulary of metrics and of the status page.

use std::collections::BTreeMap;

use holdfast_domain::frame::Bye;

/// Entries that came in packs whose signatures held.
pub(crate) const ENTRIES_RECEIVED: &str = "entries_received";
/// Those among them that were held already.
pub(crate) const ENTRIES_DUPLICATE: &str = "entries_duplicate";
/// Entries sent.
pub(crate) const ENTRIES_SENT: &str = "entries_sent";
/// Packs sent.
pub(crate) const PACKS_SENT: &str = "packs_sent";
/// Packs received, of good shape.
pub(crate) const PACKS_RECEIVED: &str = "packs_received";
/// Packs for which a peer was closed.
pub(crate) const PACKS_REJECTED: &str = "packs_rejected";
/// Packs that could not be sent, since what was loaded for them was not what was wanted or no frame could hold it.
pub(crate) const PACKS_UNSENDABLE: &str = "packs_unsendable";
/// Runs of a pack that a peer acknowledged without holding them.
pub(crate) const RUNS_REFUSED: &str = "runs_refused";
/// Runs ignored because no credential of their author is known.
pub(crate) const RUNS_OF_UNKNOWN_AUTHORS: &str = "runs_of_unknown_authors";
/// Runs ignored because their author's chain is frozen.
pub(crate) const RUNS_OF_FROZEN_CHAINS: &str = "runs_of_frozen_chains";
/// Runs that leave a gap to what is held.
pub(crate) const RUNS_WITH_GAPS: &str = "runs_with_gaps";
/// Chains that went on above entries never had, since a floor stands for them.
pub(crate) const CHAINS_JUMPED: &str = "chains_jumped";
/// Runs of entries that are not needed any more.
pub(crate) const RUNS_BELOW_BASE: &str = "runs_below_base";
/// Runs that could not be checked, since own digests were missing.
pub(crate) const RUNS_UNPLACED: &str = "runs_unplaced";
/// Chains of which a peer seems to hold another history.
pub(crate) const FORKS_SUSPECTED: &str = "forks_suspected";
/// Chains proved to have two histories.
pub(crate) const FORKS_PROVED: &str = "forks_proved";
/// Times this node's own author turned up further on or different at a peer.
pub(crate) const OWN_HISTORY: &str = "own_history";
/// Times a device claimed again to hold what this node never wrote, and had shown nothing.
pub(crate) const OWN_HISTORY_DOUBTED: &str = "own_history_doubted";
/// Connections of a device with this device's own key.
pub(crate) const OWN_DEVICE_SEEN: &str = "own_device_seen";
/// Requests for entries sent.
pub(crate) const ASKS_SENT: &str = "asks_sent";
/// Requests for entries received.
pub(crate) const ASKS_RECEIVED: &str = "asks_received";
/// Acknowledgements of packs that are not in flight.
pub(crate) const ACKS_UNKNOWN: &str = "acks_unknown";
/// Frames that went on after a cut where they had broken off.
pub(crate) const FRAMES_RESUMED: &str = "frames_resumed";
/// Bytes that those frames did not cost again.
pub(crate) const BYTES_SPARED: &str = "bytes_spared";
/// Rests of frames whose beginnings are not here.
pub(crate) const RESTS_UNKNOWN: &str = "rests_unknown";
/// Times a neighbour was told to send no bulk unasked.
pub(crate) const FLOWS_PRUNED: &str = "flows_pruned";
/// Times a neighbour was asked to send bulk.
pub(crate) const FLOWS_GRAFTED: &str = "flows_grafted";
/// Times a peer was told what came in.
pub(crate) const ANNOUNCEMENTS: &str = "announcements";
/// Greetings that named a base or an author unknown here.
pub(crate) const GREETINGS_UNPLACED: &str = "greetings_unplaced";
/// Packets of registers that were not acknowledged in time.
pub(crate) const PACKETS_LOST: &str = "packets_lost";
/// Greetings accepted.
pub(crate) const GREETINGS: &str = "greetings";
/// Parts of blobs sent.
pub(crate) const BLOB_PARTS_SENT: &str = "blob_parts_sent";
/// Bytes of frames with parts of blobs sent.
pub(crate) const BLOB_BYTES_SENT: &str = "blob_bytes_sent";
/// Parts of blobs that came.
pub(crate) const BLOB_PARTS_RECEIVED: &str = "blob_parts_received";
/// Bytes of parts of blobs that came.
pub(crate) const BLOB_BYTES_RECEIVED: &str = "blob_bytes_received";
/// Parts of blobs that came and were here already, or not wanted any more.
pub(crate) const BLOB_PARTS_UNWANTED: &str = "blob_parts_unwanted";
/// Bytes of such parts.
pub(crate) const BLOB_BYTES_UNWANTED: &str = "blob_bytes_unwanted";
/// Parts of blobs for which a peer was closed: their bytes do not lead to the blob's name.
pub(crate) const BLOB_PARTS_FORGED: &str = "blob_parts_forged";
/// Parts of blobs for which there was no room.
pub(crate) const BLOB_PARTS_REFUSED: &str = "blob_parts_refused";
/// Parts of blobs that could not be read to be sent.
pub(crate) const BLOB_PARTS_LOST: &str = "blob_parts_lost";
/// Blobs that were fetched to their end.
pub(crate) const BLOBS_FETCHED: &str = "blobs_fetched";
/// Promises of groups that a peer did not keep in time.
pub(crate) const BLOB_CLAIMS_EXPIRED: &str = "blob_claims_expired";
/// Sessions ended by the peer's word.
pub(crate) const BYES_RECEIVED: &str = "byes_received";

/// The counter of links closed here for this reason.
pub(crate) fn closed(reason: Bye) -> &'static str {
    match reason {
        Bye::Leaving => "closed_leaving",
        Bye::OtherOrg => "other_org",
        Bye::BadCredential => "bad_credential",
        Bye::BadFrame => "bad_frame",
        Bye::BadSignature => "bad_signature",
        Bye::Duplicate => "closed_duplicate",
        Bye::Slow => "closed_slow",
        Bye::Paused => "closed_paused",
    }
}

/// Counts by name.
#[derive(Debug, Default)]
pub(crate) struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    pub(crate) fn all(&self) -> &BTreeMap<&'static str, u64> {
        &self.0
    }

    pub(crate) fn add(&mut self, name: &'static str, count: usize) {
        if count > 0 {
            *self.0.entry(name).or_default() += count as u64;
        }
    }

    pub(crate) fn one(&mut self, name: &'static str) {
        self.add(name, 1);
    }
}
