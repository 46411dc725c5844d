//! Invitations of newcomers: kept as hashes, each good for one device and for its time.

use holdfast_domain::identity::DeviceRole;

use crate::error::StoreError;
use crate::rows::{one, sql};
use crate::store::Txn;

impl Txn<'_> {
    /// Keeps an invitation by the hash of its secret, until `expires_ms` (Unix milliseconds).
    pub fn add_invitation(
        &self,
        hash: [u8; 32],
        name: &str,
        role: DeviceRole,
        expires_ms: u64,
    ) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO invitations (hash, name, role, expires_ms) VALUES (?1, ?2, ?3, ?4)";
            conn.prepare_cached(put)?.execute((hash, name, role.as_str(), sql(expires_ms)))?;
            Ok(())
        })
    }

    /// Uses up an invitation: the name and role it grants, or `None` if there is none, or it is used or past its time.
    pub fn take_invitation(&self, hash: [u8; 32], now_ms: u64) -> Result<Option<(String, DeviceRole)>, StoreError> {
        self.write(|conn| {
            let take = "UPDATE invitations SET used_ms = ?2
                        WHERE hash = ?1 AND used_ms IS NULL AND expires_ms > ?2 RETURNING name, role";
            one(conn, take, (hash, sql(now_ms)), |row| Ok((row.get(0)?, role(&row.get::<_, String>(1)?)?)))
        })
    }
}

fn role(word: &str) -> Result<DeviceRole, StoreError> {
    [DeviceRole::Node, DeviceRole::Hub]
        .into_iter()
        .find(|role| role.as_str() == word)
        .ok_or_else(|| StoreError::Row { table: "invitations", fault: format!("`{word}` is no role") })
}
