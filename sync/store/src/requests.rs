//! Requests that may be repeated: what came of each is remembered under its idempotency key.

use holdfast_domain::entry::Digest;
use holdfast_domain::limits::REQUESTS_REMEMBERED_MAX;

use crate::error::StoreError;
use crate::rows::{digest, one, sql};
use crate::store::{Store, Txn};

impl Txn<'_> {
    /// Remembers what came of a request, as JSON, with the digest that tells a repetition from another request. The
    /// newest `REQUESTS_REMEMBERED_MAX` are kept.
    pub fn remember(&self, key: &str, request: Digest, outcomes_json: &str) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO requests (key, digest, outcomes) VALUES (?1, ?2, ?3)
                       ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, outcomes = excluded.outcomes";
            conn.prepare_cached(put)?.execute((key, request.0, outcomes_json))?;
            let trim = "DELETE FROM requests WHERE id <= (SELECT max(id) FROM requests) - ?1";
            conn.prepare_cached(trim)?.execute([sql(REQUESTS_REMEMBERED_MAX)])?;
            Ok(())
        })
    }
}

impl Store {
    /// What came of the request with this key: its digest and its outcomes as JSON.
    pub fn recalled(&self, key: &str) -> Result<Option<(Digest, String)>, StoreError> {
        let question = "SELECT digest, outcomes FROM requests WHERE key = ?1";
        one(self.conn(), question, [key], |row| Ok((digest(row, 0)?, row.get(1)?)))
    }
}
