//! What entries mean: documents (automerge), feeds and registers become rows, and edits become bodies of entries.
//!
//! Pure: no I/O, no clock, no randomness, no knowledge of peers. Entries arrive with their signatures checked; whether
//! an author was *allowed* to write an entry is decided elsewhere too. What remains is checked here: that a body is a
//! change its author can have made, and that no change, however hostile, can harm a document or make two nodes
//! read it differently.
//!
//! The way of an edit: [`replica`] → `draft` → `document`. The way of an entry: [`replica`] → `decode` → `merge` →
//! `document`. Both end in `record` (reading), `conflict` (what people must settle) and rows for the views.

pub mod replica;

mod draft;
mod gesture;

mod decode;
mod examine;
mod merge;

pub mod rolling;

mod craft;
mod document;
mod genesis;
mod layout;

mod conflict;
mod record;
mod value;

pub mod closure;
mod feed;
pub mod pack;
pub mod segment;
pub mod thin;
