//! Peers over real sockets on loopback: who gets in, what is carried, what is turned away.

mod carried;
mod enrolled;
mod members;
mod turned_away;
