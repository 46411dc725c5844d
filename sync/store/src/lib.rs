//! Where a node keeps what it holds: one SQLite database with entries (the truth), documents' snapshots and the views
//! that the API reads.
//!
//! What belongs to one step is written in one transaction ([`store::Txn`]) and is on disk when its commit returns.
//! Reads of the API run beside the writer on connections of their own ([`views::Views`]).
//!
//! Not here: what an entry means (`sync/replica`), whether it is genuine (`sync/protocol`) or allowed
//! (`sync/policy`). This room opens no body and checks no signature.

pub mod store;
pub mod views;

pub mod alerts;
pub mod blobs;
pub mod error;
pub mod peers;
pub mod pending;
pub mod schema;
pub mod snapshots;

mod attachments;
pub mod chains;
mod copies;
mod cursor;
mod digests;
pub mod floors;
mod health;
mod invitations;
mod live;
mod lock;
mod lookup;
mod marks;
mod page;
mod patches;
mod requests;
mod rows;
mod runs;
mod trust;
