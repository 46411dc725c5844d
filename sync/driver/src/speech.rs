//! What the protocol begins with: what is stored of heads, floors, forks and peers.

use std::collections::BTreeSet;

use holdfast_domain::clock::Now;
use holdfast_domain::frame::capability;
use holdfast_domain::identity::Credential;
use holdfast_protocol::protocol::{Config as ProtocolConfig, HeldHead, Input, Memory, Protocol};
use holdfast_store::chains::HeadRow;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

use crate::engine::EngineConfig;
use crate::peers::Peers;
use crate::retention::floors::Floors;

/// The protocol of a node that holds what its store holds.
pub(crate) fn speak(
    store: &Store,
    config: &EngineConfig,
    credential: &Credential,
    peers: &Peers,
    floors: &Floors,
    now: Now,
) -> Result<Protocol, StoreError> {
    let forks: BTreeSet<_> = store.forks()?.into_iter().map(|(stream, author, _)| (stream, author)).collect();
    let mut protocol = Protocol::new(
        ProtocolConfig {
            org: config.device.org,
            authority: config.authority_key,
            device: config.device.device(),
            credential: credential.clone(),
            capabilities: capability::BUNDLE,
        },
        Memory {
            heads: store.heads()?.into_iter().map(held_head).collect(),
            credentials: store.credentials()?,
            forks: forks.into_iter().collect(),
            bases: peers.bases(),
            floors: floors.all(),
            marks: store.marks()?,
        },
    );
    for device in peers.paused() {
        protocol.handle(now, Input::Pause { device, paused: true });
    }
    Ok(protocol)
}

fn held_head(row: HeadRow) -> HeldHead {
    let HeadRow { stream, author, seq, digest, grown, base } = row;
    HeldHead { stream, author, seq, digest, arrived: grown, base }
}
