//! Enrolment at a node that holds the org's authority: invitations, and the word for a newcomer.

use holdfast_domain::api::InvitationNew;
use holdfast_domain::feed::{self, ControlBody};
use holdfast_domain::field::check_name;
use holdfast_domain::identity::{DeviceCredential, DeviceRole, PublicKey};
use holdfast_domain::limits::INVITE_LIFE_S_DEFAULT;
use holdfast_domain::record::Patch;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_store::error::StoreError;
use rand_chacha::rand_core::Rng;

use crate::engine::{Core, Step};

/// What came of a newcomer's request.
#[derive(Debug)]
pub enum Enrolled {
    /// The device is enrolled; its certificate is made from this.
    Granted(Box<DeviceCredential>),
    /// The invitation is unknown, used or past its time.
    UnknownUsedOrExpired,
    /// No authority is held here.
    NotAuthority,
}

const CONTROL: StreamId = StreamId { scope: Scope::Org, kind: StreamKind::Control };

/// Ten years: nobody plans an invitation beyond that; it is a mistyped number.
const INVITE_LIFE_S_MAX: u64 = 10 * 365 * 24 * 3600;

impl Core {
    pub(crate) fn invite(
        &mut self,
        step: &mut Step<'_>,
        new: &InvitationNew,
    ) -> Result<Result<([u8; 16], u64), Refusal>, StoreError> {
        let life_s = new.life_s.unwrap_or(INVITE_LIFE_S_DEFAULT);
        if let Err(refusal) = check_name("name", &new.name) {
            return Ok(Err(refusal));
        }
        if life_s == 0 || life_s > INVITE_LIFE_S_MAX {
            let fault = format!("is {life_s} seconds; give 1 second to ten years");
            return Ok(Err(Refusal::Invalid { field: "life_s", fault }));
        }
        let mut secret = [0; 16];
        self.rng.fill_bytes(&mut secret);
        let expires_ms = step.now.wall_ms + life_s * 1000;
        step.txn.add_invitation(blake3::hash(&secret).into(), &new.name, new.role, expires_ms)?;
        step.dirty = true;
        Ok(Ok((secret, expires_ms)))
    }

    /// Redeems an invitation. The enrolment is an entry of the `control` feed, so every node comes to know the device.
    pub(crate) fn enrol(
        &mut self,
        step: &mut Step<'_>,
        secret_hash: [u8; 32],
        key: &PublicKey,
    ) -> Result<Enrolled, StoreError> {
        let Some(authority) = &self.config.authority else { return Ok(Enrolled::NotAuthority) };
        let Some((name, role)) = step.txn.take_invitation(secret_hash, step.now.wall_ms)? else {
            return Ok(Enrolled::UnknownUsedOrExpired);
        };
        let device = authority.vouch(key, &name, role, step.now.wall_ms);
        self.announce(step, device.clone())?;
        Ok(Enrolled::Granted(Box::new(device)))
    }

    /// A command post that has not yet told the org of itself does so with its first commit.
    pub(crate) fn introduce_self(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let unknown = self.config.device.role == DeviceRole::Hub && step.store.meta("introduced")?.is_none();
        if unknown {
            step.txn.put_meta("introduced", &[1])?;
            self.announce(step, self.config.device.clone())?;
        }
        Ok(())
    }

    fn announce(&mut self, step: &mut Step<'_>, device: DeviceCredential) -> Result<(), StoreError> {
        let written = self.clock.tick(step.now);
        self.write(step, CONTROL, feed::encode(&ControlBody::EnrolledV1 { written, device: device.clone() }));
        self.peers.enrolled(device.clone());
        step.dirty = true;
        step.show(&[Patch::Device(device)])
    }
}
