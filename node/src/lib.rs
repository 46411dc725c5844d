//! The faces of a node: its settings, its HTTP API and its commands.
//!
//! Not here: state. It is all in the engine and the views, which are reached through a handle.

pub mod cli;
pub mod config;
pub mod http;
pub mod power;
pub mod thumbnail;
