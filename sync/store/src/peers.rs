//! What is remembered of peers over a restart: when each was heard, what it holds, whether its link is kept quiet.

use holdfast_domain::frontier::{Frontier, Head};
use holdfast_domain::identity::{AuthorId, DeviceId};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

use crate::error::StoreError;
use crate::rows::{all, sql};
use crate::store::{Store, Txn};

/// One peer as it was when last written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// The device.
    pub device: DeviceId,
    /// When it was last heard, Unix milliseconds by this node's clock; `None` if never.
    pub last_heard_ms: Option<u64>,
    /// What it was known to hold.
    pub frontier: Option<Frontier>,
    /// Whether an operator keeps the link quiet.
    pub paused: bool,
}

impl Txn<'_> {
    /// Writes down when a peer was last heard (Unix milliseconds, 0 for never) and, if given, what it holds.
    pub fn put_peer(
        &self,
        device: DeviceId,
        last_heard_ms: u64,
        frontier: Option<&Frontier>,
    ) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO peers (device, last_heard_ms, paused, frontier) VALUES (?1, nullif(?2, 0), 0, ?3)
                       ON CONFLICT (device) DO UPDATE SET
                       last_heard_ms = coalesce(excluded.last_heard_ms, last_heard_ms),
                       frontier = coalesce(excluded.frontier, frontier)";
            conn.prepare_cached(put)?.execute((device.0, sql(last_heard_ms), frontier.map(to_bytes).transpose()?))?;
            Ok(())
        })
    }

    /// Writes down whether the link with a device is to be kept quiet.
    pub fn put_peer_paused(&self, device: DeviceId, paused: bool) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO peers (device, paused) VALUES (?1, ?2)
                       ON CONFLICT (device) DO UPDATE SET paused = excluded.paused";
            conn.prepare_cached(put)?.execute((device.0, paused))?;
            Ok(())
        })
    }
}

impl Store {
    /// Every peer written down, in order of device.
    pub fn peers(&self) -> Result<Vec<PeerRow>, StoreError> {
        let question = "SELECT device, last_heard_ms, frontier, paused FROM peers ORDER BY device";
        all(self.conn(), question, (), |row| {
            Ok(PeerRow {
                device: DeviceId(row.get(0)?),
                last_heard_ms: row.get::<_, Option<i64>>(1)?.map(|ms| ms.max(0) as u64),
                frontier: row.get::<_, Option<Vec<u8>>>(2)?.as_deref().map(from_bytes).transpose()?,
                paused: row.get(3)?,
            })
        })
    }
}

/// A frontier on disk: for each scope its heads, in postcard.
type Heads = Vec<(Scope, Vec<(StreamKind, AuthorId, Head)>)>;

fn to_bytes(frontier: &Frontier) -> Result<Vec<u8>, StoreError> {
    let heads: Heads = frontier.scopes().map(|(scope, held)| (scope, held.heads().collect())).collect();
    postcard::to_stdvec(&heads).map_err(unreadable)
}

fn from_bytes(bytes: &[u8]) -> Result<Frontier, StoreError> {
    let heads: Heads = postcard::from_bytes(bytes).map_err(unreadable)?;
    let mut frontier = Frontier::default();
    for (scope, heads) in heads {
        for (kind, author, head) in heads {
            frontier.set(StreamId::new(scope, kind), author, head);
        }
    }
    Ok(frontier)
}

#[expect(clippy::needless_pass_by_value, reason = "used as the argument of map_err")]
fn unreadable(error: postcard::Error) -> StoreError {
    StoreError::Row { table: "peers", fault: error.to_string() }
}
