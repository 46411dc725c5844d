//! How frames are carried: device keys and certificates, QUIC with mutual TLS, enrolment, discovery.
//!
//! Not here: what a frame says. Bytes go in with a class and come out in order per class.

pub mod beacon;
pub mod controller;
pub mod door;
pub mod endpoint;
pub mod enrolment;
pub mod error;
pub mod identity;
pub mod learned;
pub mod peers;
pub mod profile;
pub mod steering;
pub mod tls;
pub mod window;

mod arrivals;
mod discovery;
mod inbox;
mod link;
mod pulse;
mod secret_file;
mod tickets;
