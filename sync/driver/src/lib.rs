//! Who moves it: the Engine (a plain step function over store, replica, protocol and policy) and the one async loop.
//!
//! [`engine::Engine::step`] takes what has queued up, commits once, and only then returns effects: nothing is announced
//! or acknowledged that a power cut could take back. The simulated world runs this same Engine; only [`run`] knows
//! sockets, threads and the real clock.

pub mod config;
pub mod data_dir;
pub mod effect;
pub mod engine;
pub mod event;
pub mod handle;
pub mod offline;
pub mod parcel;
pub mod run;

mod admit;
mod authoring;
pub mod authority;
pub mod blobs;
mod clock;
mod crowd;
mod doctor;
mod documents;
mod gesture;
mod holders;
mod memory;
mod notices;
mod packs;
mod peers;
mod reach;
pub mod retention;
mod tracks;
