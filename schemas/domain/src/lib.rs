//! The words of Holdfast: ids, time, records, edits, entries, frontiers, wire frames and API bodies.
//!
//! Everything here is data with its rules of validity. There is no I/O, no clock and no randomness: both come in as
//! arguments. What an entry *means* for a document lives in `sync/replica`; what peers *say* lives in `sync/protocol`.

pub mod limits;

pub mod clock;
pub mod entry;
pub mod frame;
pub mod frontier;
pub mod geography;
pub mod id;
pub mod identity;
pub mod scope;

pub mod alert;
pub mod api;
pub mod blob;
pub mod conflict;
pub mod edit;
pub mod feed;
pub mod field;
pub mod floor;
pub mod holders;
pub mod incident;
pub mod message;
pub mod mission;
pub mod parcel;
pub mod power;
pub mod query;
pub mod ranges;
pub mod record;
pub mod refusal;
pub mod retention;
pub mod task;
pub mod track;
pub mod unit;

mod bytes;
