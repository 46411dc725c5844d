//! QUIC as it is set here, over simulated field links in virtual time.

mod contacts;
mod goodput;
mod handshake;
mod outage;
mod pair;
mod resumption;
mod urgent;
mod wire;
