//! Attached files: which are fetched, how much room they take, and which are let go of when it is short.

mod command;
mod handle;

use std::collections::BTreeSet;

use holdfast_domain::blob::{Attachment, AttachmentNew, BlobId, BlobKey, BlobPolicy, BlobsStatus, Thumbnail};
use holdfast_domain::clock::Now;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::{DeviceId, DeviceRole};
use holdfast_domain::limits::{BLOB_FREE_BYTES_MIN_DEFAULT, BLOB_GROUP_BYTES, BLOB_QUOTA_BYTES_DEFAULT};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::record::Patch;
use holdfast_protocol::blob::{BlobEffect, BlobInput, PartRefused};
use holdfast_protocol::protocol::Input;
pub use holdfast_store::blobs::room::Staged;
use holdfast_store::blobs::{PartFault, Slice};
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

use crate::engine::{Core, Step};

/// Which attachments a node fetches, and how much room they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobConfig {
    /// What is fetched unasked. A hub fetches all.
    pub policy: BlobPolicy,
    /// Bytes that attachments may take on disk.
    pub quota_bytes: u64,
    /// Free bytes of the disk below which none is taken.
    pub free_bytes_min: u64,
}

impl Default for BlobConfig {
    fn default() -> Self {
        Self {
            policy: BlobPolicy::default(),
            quota_bytes: BLOB_QUOTA_BYTES_DEFAULT,
            free_bytes_min: BLOB_FREE_BYTES_MIN_DEFAULT,
        }
    }
}

/// What a face asks about attached files.
#[derive(Debug)]
pub enum BlobCommand {
    /// Attach a file that came in whole.
    Add {
        /// What is said of it.
        new: AttachmentNew,
        /// The file.
        content: Staged,
        /// A small picture of it.
        thumbnail: Option<Staged>,
    },
    /// Remove an attachment everywhere.
    Remove {
        /// Its mission.
        mission: MissionId,
        /// Which.
        id: BlobId,
    },
    /// Fetch a file and keep it, whatever the policy.
    Fetch {
        /// Its mission.
        mission: MissionId,
        /// Which.
        id: BlobId,
    },
    /// A file was read here.
    Used(BlobKey),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobReply {
    /// The file is attached, and durable here; whether it was not before.
    Attached(BlobId, bool),
    /// It is done.
    Done,
}

/// What is remembered of blobs between steps; all of it can be had again from the store.
#[derive(Debug)]
pub(crate) struct Blobs {
    stored_bytes: u64,
    evicted: u64,
    /// Why nothing more was taken, and since when, microseconds.
    full: Option<(String, u64)>,
}

/// After so long it is seen again whether there is room, microseconds.
const RETRY_US: u64 = 60_000_000;

impl Blobs {
    pub(crate) fn new(store: &Store) -> Result<Self, StoreError> {
        Ok(Self { stored_bytes: store.blob_bytes()?, evicted: 0, full: None })
    }
}

impl Core {
    fn blob_policy(&self) -> BlobPolicy {
        if self.config.device.role == DeviceRole::Hub { BlobPolicy::All } else { self.config.blobs.policy }
    }

    /// What power allows of blobs.
    pub(crate) fn blob_traffic(&self) -> Input {
        let allowed = self.power.policy.blobs;
        Input::Blob(BlobInput::Traffic { fetches: allowed, serves: allowed })
    }

    /// Tells the protocol what is wanted, as far as the store knows. There is no link yet, so nothing is to be done.
    pub(crate) fn want_blobs(&mut self, store: &Store, now: Now) -> Result<(), StoreError> {
        self.protocol.handle(now, self.blob_traffic());
        for attachment in store.attachment_all()? {
            for (key, small) in keys_of(&attachment) {
                if let Some(held) = self.wanted(store, &key, small)? {
                    self.protocol.handle(now, Input::Blob(BlobInput::Wanted { blob: key, held }));
                }
            }
        }
        Ok(())
    }

    /// What is held of a blob that is to be fetched; `None` if it is not.
    fn wanted(&self, store: &Store, key: &BlobKey, small: bool) -> Result<Option<Ranges>, StoreError> {
        let held = store.blob(key)?.map(|row| row.held).unwrap_or_default();
        let by_policy = match self.blob_policy() {
            BlobPolicy::All => true,
            BlobPolicy::Thumbnails => small,
            BlobPolicy::None => false,
        };
        let wanted = store.blob_wish(key)?.unwrap_or(by_policy) && !held.is_whole(key.groups());
        Ok(wanted.then_some(held))
    }

    /// Attachments came, or were removed: what is wanted of them, or let go of, is settled anew.
    pub(crate) fn blob_news(&mut self, step: &mut Step<'_>, patches: &[Patch]) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        for patch in patches {
            match patch {
                Patch::Attachment(attachment) => touched.extend(keys_of(attachment).into_iter().map(|(key, _)| key.id)),
                Patch::AttachmentRemoved { mission, id, .. } => {
                    touched.insert(*id);
                    let removed = step.store.attachment(*mission, *id)?;
                    touched.extend(removed.iter().flat_map(keys_of).map(|(key, _)| key.id));
                }
                _ => {}
            }
        }
        touched.into_iter().try_for_each(|id| self.settle_blob(step, id))
    }

    /// Wants a blob that some attachment is, and lets go of one that none is.
    fn settle_blob(&mut self, step: &mut Step<'_>, id: BlobId) -> Result<(), StoreError> {
        let keys: BTreeSet<(BlobKey, bool)> =
            step.store.attachments_with(id)?.iter().flat_map(keys_of).filter(|(key, _)| key.id == id).collect();
        for (key, small) in &keys {
            if let Some(held) = self.wanted(step.store, key, *small)? {
                self.say(step, Input::Blob(BlobInput::Wanted { blob: *key, held }))?;
            }
        }
        let stray = step.store.blob_list_of(id)?.into_iter().map(|row| row.key);
        for key in stray.filter(|key| !keys.iter().any(|(known, _)| known == key)).collect::<Vec<_>>() {
            self.let_go(step, &key)?;
        }
        if keys.is_empty() {
            self.forget_wants(step, id)?;
        }
        Ok(())
    }

    fn forget_wants(&mut self, step: &mut Step<'_>, id: BlobId) -> Result<(), StoreError> {
        let wanted: Vec<BlobKey> = self.protocol.blobs_wanted_of(id).collect();
        wanted.into_iter().try_for_each(|blob| self.say(step, Input::Blob(BlobInput::Unwanted { blob })))
    }

    /// Drops what is here of a blob.
    fn let_go(&mut self, step: &mut Step<'_>, key: &BlobKey) -> Result<(), StoreError> {
        let stored = step.store.blob(key)?.map_or(0, |row| row.stored());
        self.blobs.stored_bytes = self.blobs.stored_bytes.saturating_sub(stored);
        step.txn.blob_drop(key)?;
        step.dirty = true;
        self.say(step, Input::Blob(BlobInput::Unwanted { blob: *key }))?;
        self.say(step, Input::Blob(BlobInput::Held { blob: *key, held: Ranges::none() }))
    }

    /// Does what the protocol asks about blobs, and gives its answer.
    pub(crate) fn obey_blob(&mut self, step: &mut Step<'_>, effect: BlobEffect) -> Result<Option<Input>, StoreError> {
        let answer = match effect {
            BlobEffect::Look { link, blob } => {
                let held = step.store.blob(&blob)?.map(|row| row.held).unwrap_or_default();
                BlobInput::Looked { link, blob, held }
            }
            BlobEffect::LoadPart { link, blob, first, count } => {
                let slice = match step.store.blob_slice(&blob, first, count) {
                    Slice::Good(slice) => Some(slice),
                    Slice::Lost => {
                        self.blob_lost(step, &blob)?;
                        None
                    }
                };
                BlobInput::PartLoaded { link, blob, slice }
            }
            BlobEffect::TakePart { link, id, blob, first, count, slice } => {
                let groups = Ranges::span(first, first + count);
                let taken = self.take_part(step, &blob, (first, count), &slice)?;
                BlobInput::PartTaken { link, id, blob, groups, taken }
            }
            BlobEffect::Holder { device, blob, whole } => {
                note_holder(step, device, &blob, whole)?;
                return Ok(None);
            }
        };
        Ok(Some(Input::Blob(answer)))
    }

    fn take_part(
        &mut self,
        step: &mut Step<'_>,
        blob: &BlobKey,
        (first, count): (u32, u32),
        slice: &[u8],
    ) -> Result<Result<Ranges, PartRefused>, StoreError> {
        if let Err(fault) = self.make_room(step, u64::from(count) * BLOB_GROUP_BYTES, blob)? {
            self.blobs.full = Some((fault, step.now.mono_us));
            return Ok(Err(PartRefused::NoRoom));
        }
        let before = step.store.blob(blob)?.map_or(0, |row| row.stored());
        match step.txn.blob_part(blob, first, count, slice, step.now.wall_ms)? {
            Ok(held) => {
                step.dirty = true;
                self.blobs.stored_bytes += blob.bytes_of(held.count()).saturating_sub(before);
                if held.is_whole(blob.groups()) {
                    step.arrived(blob)?;
                }
                Ok(Ok(held))
            }
            Err(PartFault::Forged) => Ok(Err(PartRefused::Forged)),
            Err(fault @ PartFault::Disk(_)) => {
                self.blobs.full = Some((fault.to_string(), step.now.mono_us));
                Ok(Err(PartRefused::NoRoom))
            }
        }
    }

    /// What lies on disk of a blob is not what was stored: it is fetched again.
    fn blob_lost(&mut self, step: &mut Step<'_>, blob: &BlobKey) -> Result<(), StoreError> {
        *self.counters.entry("blobs_lost").or_default() += 1;
        let stored = step.store.blob(blob)?.map_or(0, |row| row.stored());
        self.blobs.stored_bytes = self.blobs.stored_bytes.saturating_sub(stored);
        step.txn.blob_drop(blob)?;
        step.dirty = true;
        self.settle_blob(step, blob.id)
    }

    /// Makes room for so many bytes, if need be by letting go of files that others keep; or says why there is none.
    fn make_room(&mut self, step: &mut Step<'_>, bytes: u64, but: &BlobKey) -> Result<Result<(), String>, StoreError> {
        let config = self.config.blobs;
        let free = step.store.blob_room().free_bytes();
        let short_of_disk = free.is_some_and(|free| free < config.free_bytes_min.saturating_add(bytes));
        let mut over = (self.blobs.stored_bytes + bytes).saturating_sub(config.quota_bytes);
        if short_of_disk {
            let lacking = config.free_bytes_min.saturating_add(bytes) - free.unwrap_or(0);
            over = over.max(lacking);
        }
        let mut freed = 0;
        if over > 0 {
            for key in self.spare(step.store, but)? {
                if freed >= over {
                    break;
                }
                freed += key.bytes;
                step.txn.put_blob_wish(&key, Some(false))?;
                self.let_go(step, &key)?;
                self.blobs.evicted += 1;
            }
        }
        if freed >= over {
            return Ok(Ok(()));
        }
        let fault = if short_of_disk {
            format!(
                "the disk has {} MiB free and blob_free_bytes_min asks for {} MiB; free some space or remove attachments",
                free.unwrap_or(0) >> 20,
                config.free_bytes_min >> 20
            )
        } else {
            format!(
                "attachments take {} MiB of the {} MiB that blob_quota_bytes allows, and none is kept elsewhere for \
                 sure; remove some or raise blob_quota_bytes",
                self.blobs.stored_bytes >> 20,
                config.quota_bytes >> 20
            )
        };
        Ok(Err(fault))
    }

    /// Files that may be let go of, the one not used for longest first: whole, not asked for by name, no small picture,
    /// and kept elsewhere. A hub keeps everything, so what a hub has is kept. Else the two holders with the lowest ids
    /// keep it whatever they hear: were each to trust the others, all might let go at once.
    fn spare(&self, store: &Store, but: &BlobKey) -> Result<Vec<BlobKey>, StoreError> {
        if self.config.device.role == DeviceRole::Hub {
            return Ok(Vec::new());
        }
        let me = self.config.device.device();
        let hubs: BTreeSet<DeviceId> = self
            .peers
            .devices()
            .filter(|device| device.role == DeviceRole::Hub)
            .map(holdfast_domain::identity::DeviceCredential::device)
            .collect();
        let mut spare = Vec::new();
        for row in store.blob_list()?.into_iter().filter(|row| row.is_whole() && row.key != *but) {
            let holders = store.blob_holders(&row.key)?;
            let kept = holders.iter().any(|device| hubs.contains(device))
                || holders.iter().filter(|device| **device < me).count() >= 2;
            let small = store
                .attachments_with(row.key.id)?
                .iter()
                .any(|attachment| attachment.thumbnail.is_some_and(|thumbnail| thumbnail.id == row.key.id));
            if kept && !small && store.blob_wish(&row.key)? != Some(true) {
                spare.push((row.used_ms, row.key));
            }
        }
        spare.sort_unstable();
        Ok(spare.into_iter().map(|(_, key)| key).collect())
    }

    /// Sees now and then whether there is room again.
    pub(crate) fn blobs_tick(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let due = |(_, since_us): &(String, u64)| step.now.mono_us.saturating_sub(*since_us) > RETRY_US;
        if self.blobs.full.take_if(|full| due(full)).is_some() {
            let ids: BTreeSet<BlobId> =
                step.store.attachment_all()?.iter().flat_map(keys_of).map(|(key, _)| key.id).collect();
            ids.into_iter().try_for_each(|id| self.settle_blob(step, id))?;
        }
        Ok(())
    }

    pub(crate) fn blobs_status(&self, store: &Store) -> Result<BlobsStatus, StoreError> {
        let rows = store.blob_list()?;
        let whole = rows.iter().filter(|row| row.is_whole()).count() as u64;
        Ok(BlobsStatus {
            policy: self.blob_policy(),
            whole,
            partial: rows.len() as u64 - whole,
            wanted: self.protocol.blobs_wanted() as u64,
            bytes: self.blobs.stored_bytes,
            quota_bytes: self.config.blobs.quota_bytes,
            free_bytes_min: self.config.blobs.free_bytes_min,
            free_bytes: store.blob_room().free_bytes(),
            evicted: self.blobs.evicted,
            full: self.blobs.full.as_ref().map(|(fault, _)| fault.clone()),
        })
    }
}

impl Step<'_> {
    /// A blob is here whole: whoever follows the attachments it belongs to hears of it.
    fn arrived(&mut self, blob: &BlobKey) -> Result<(), StoreError> {
        let revs = self.txn.attachment_arrived(blob.id)?;
        self.newest_rev = self.newest_rev.max(revs.into_iter().max());
        Ok(())
    }
}

/// The blobs of an attachment: itself, and its small picture (`true`).
fn keys_of(attachment: &Attachment) -> Vec<(BlobKey, bool)> {
    let small = attachment.thumbnail.as_ref().map(Thumbnail::key).map(|key| (key, true));
    std::iter::once((attachment.key(), false)).chain(small).collect()
}

/// Remembers what a device said it holds. A peer's word about what is attached nowhere here is worth no row.
fn note_holder(step: &mut Step<'_>, device: DeviceId, blob: &BlobKey, whole: bool) -> Result<(), StoreError> {
    let known = step.store.blob_holders(blob)?.contains(&device);
    if known != whole && (!whole || !step.store.attachments_with(blob.id)?.is_empty()) {
        step.txn.put_blob_holder(blob, device, whole)?;
        step.dirty = true;
    }
    Ok(())
}
