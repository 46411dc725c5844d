//! Who may be believed: credentials of authors, proofs of two histories, entries kept aside.

use holdfast_domain::entry::{Entry, EntryKey, stream_bytes};
use holdfast_domain::identity::{AuthorId, Credential};
use holdfast_domain::scope::StreamId;

use crate::error::StoreError;
use crate::rows::{all, author, entry, from_json, number, one, sql, stream, to_json};
use crate::store::{Store, Txn};

impl Txn<'_> {
    /// Keeps what is needed to check an author's signatures; of two the one issued later.
    pub fn put_credential(&self, credential: &Credential) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO credentials (author, issued_ms, record) VALUES (?1, ?2, ?3)
                       ON CONFLICT (author) DO UPDATE SET issued_ms = excluded.issued_ms, record = excluded.record
                       WHERE (excluded.issued_ms, excluded.record) > (issued_ms, record)";
            conn.prepare_cached(put)?.execute((
                credential.author().0,
                sql(credential.device.issued_ms),
                to_json("credentials", credential)?,
            ))?;
            Ok(())
        })
    }

    /// Records that an author wrote two histories which part at `seq`, with the entries that prove it. One proof per
    /// author and stream is kept: the earliest parting.
    pub fn put_fork(&self, stream: StreamId, author: AuthorId, seq: u64, rivals: &[Entry]) -> Result<(), StoreError> {
        self.write(|conn| {
            let name = stream_bytes(&stream);
            let put = "INSERT INTO forks (stream, author, seq) VALUES (?1, ?2, ?3)
                       ON CONFLICT (stream, author) DO UPDATE SET seq = excluded.seq WHERE excluded.seq < seq";
            if conn.prepare_cached(put)?.execute((name, author.0, sql(seq)))? == 0 {
                return Ok(());
            }
            conn.prepare_cached("DELETE FROM rivals WHERE stream = ?1 AND author = ?2")?.execute((name, author.0))?;
            let put = "INSERT INTO rivals (stream, author, seq, digest, signature, body)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
            let mut put = conn.prepare_cached(put)?;
            for rival in rivals {
                put.execute((
                    name,
                    author.0,
                    sql(rival.key.seq),
                    rival.digest.0,
                    rival.signature.map(|signature| signature.0),
                    &rival.body,
                ))?;
            }
            Ok(())
        })
    }

    /// Marks an entry as kept aside: it is stored and passed on, but shows nothing.
    pub fn quarantine(&self, key: &EntryKey, reason: &str) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO quarantine (stream, author, seq, reason) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO NOTHING";
            conn.prepare_cached(put)?.execute((stream_bytes(&key.stream), key.author.0, sql(key.seq), reason))?;
            Ok(())
        })
    }
}

impl Store {
    /// Every credential known, in order of author.
    pub fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        all(self.conn(), "SELECT record FROM credentials ORDER BY author", (), |row| {
            from_json("credentials", row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)
        })
    }

    /// Authors with two histories, and the number at which these part.
    pub fn forks(&self) -> Result<Vec<(StreamId, AuthorId, u64)>, StoreError> {
        all(self.conn(), "SELECT stream, author, seq FROM forks ORDER BY stream, author", (), |row| {
            Ok((stream(row, 0)?, author(row, 1)?, number(row, 2)?))
        })
    }

    /// The entries that prove an author's two histories.
    pub fn rivals(&self, stream: StreamId, author: AuthorId) -> Result<Vec<Entry>, StoreError> {
        let question = "SELECT seq, digest, signature, body FROM rivals WHERE stream = ?1 AND author = ?2
                        ORDER BY seq, digest";
        all(self.conn(), question, (stream_bytes(&stream), author.0), |row| entry(row, 0, stream, author))
    }

    /// Entries kept aside.
    pub fn quarantined(&self) -> Result<Vec<EntryKey>, StoreError> {
        all(self.conn(), "SELECT stream, author, seq FROM quarantine", (), |row| {
            Ok(EntryKey { stream: stream(row, 0)?, author: author(row, 1)?, seq: number(row, 2)? })
        })
    }

    /// How many entries are kept aside.
    pub fn quarantined_count(&self) -> Result<u64, StoreError> {
        let count = one(self.conn(), "SELECT count(*) FROM quarantine", (), |row| number(row, 0))?;
        Ok(count.unwrap_or(0))
    }

    /// Why an entry is kept aside; `None` if it is not.
    pub fn quarantine_reason(&self, key: &EntryKey) -> Result<Option<String>, StoreError> {
        let question = "SELECT reason FROM quarantine WHERE stream = ?1 AND author = ?2 AND seq = ?3";
        let name = (stream_bytes(&key.stream), key.author.0, sql(key.seq));
        one(self.conn(), question, name, |row| Ok(row.get(0)?))
    }
}
