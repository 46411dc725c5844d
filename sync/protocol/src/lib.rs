//! What peers say to each other: sessions, frontiers, packs, proofs. It does no I/O and knows no clock and no chance.
//!
//! [`protocol::Protocol`] takes one [`protocol::Input`] at a time and answers with [`protocol::Effect`]s. It moves entries
//! and proves who wrote them; it never opens a body. What bodies mean is in `sync/replica`, where they are kept in
//! `sync/store`, how frames travel in `sync/transport`; `sync/driver` brings them together.

pub mod blob;
pub mod parcel;
pub mod protocol;

mod session;

mod heads;

mod flow;
mod marks;
mod pace;
mod push;
mod resume;
mod run;
mod thrift;

mod receive;

mod fetch;
mod parts;

mod asks;
mod duplicate;
mod verify;

mod counters;
mod floors;
mod held;
