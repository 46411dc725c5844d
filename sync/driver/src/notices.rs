//! What the engine wants people to hear, as lines of the log; a peer that errs again and again makes one in a while.

use std::time::Instant;

use holdfast_domain::frame::Bye;
use holdfast_domain::identity::DeviceId;
use holdfast_transport::door::told::{Say, Told};

use crate::effect::Notice;

/// Who was told of lately.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    refused: Told<(Option<DeviceId>, Bye)>,
    doubted: Told<DeviceId>,
}

impl Notices {
    /// Writes a line, unless the same peer was told of for the same deed lately. It is counted all the same.
    pub(crate) fn tell(&mut self, now: Instant, notice: &Notice) {
        let say = match notice {
            Notice::PeerRefused { device, reason } => self.refused.tell(now, (*device, *reason)),
            Notice::PeerDoubted { device } => self.doubted.tell(now, *device),
            _ => Say::All,
        };
        match say {
            Say::All => log(notice),
            Say::More => tracing::warn!("more peers are turned away or doubted than are named here (see `status`)"),
            Say::Nothing => {}
        }
    }
}

pub(crate) fn log(notice: &Notice) {
    match notice {
        Notice::Fork { stream, author, seq } => {
            tracing::error!(%stream, %author, seq, "an author wrote two histories: was its disk cloned? The stream is frozen");
        }
        Notice::EpochRaised { epoch } => {
            tracing::warn!(
                epoch,
                "this node's own history turned up elsewhere: it writes as a fresh author from now on"
            );
        }
        Notice::Quarantined { stream, author } => {
            tracing::warn!(%stream, %author, "an entry was kept aside: its author may not write it");
        }
        Notice::PeerRefused { device, reason } => {
            let device = device.map(|device| device.to_string());
            tracing::warn!(
                device,
                reason = reason.as_str(),
                "a peer was turned away; nothing of what it sent last was taken. If it goes on, look at that device"
            );
        }
        Notice::PeerDoubted { device } => {
            tracing::warn!(%device, "a peer claims to hold what this node never wrote, and shows nothing; it is not believed. Look at that device");
        }
        Notice::ParcelRefused { fault } => {
            tracing::warn!(fault, "a parcel was turned away; nothing of it was taken");
        }
        Notice::ParcelRunsRefused { runs, fault } => {
            tracing::warn!(runs, fault, "a part of a parcel was left out; ask whoever made it for a sound one");
        }
        Notice::Reset { stream, entries } => {
            tracing::warn!(%stream, entries, "this node was behind: it goes on without older entries, which the command post keeps");
        }
        Notice::Turned { stream, generation, late } => {
            tracing::info!(%stream, generation, late, "a document goes on in another generation");
        }
        Notice::CommitFailed(fault) => {
            tracing::error!(fault, "nothing was saved in this step; free space or check the disk");
        }
    }
}
