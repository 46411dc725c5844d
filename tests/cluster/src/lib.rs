//! Real nodes as real processes on loopback, each on a data directory of its own, with links that can be cut.

pub mod api;
pub mod fleet;
pub mod process;
