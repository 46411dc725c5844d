//! Peers over real sockets on loopback: who gets in, what is carried, what is turned away.

mod carried;
mod crowd;
mod cut;
mod dialled_twice;
mod enrolled;
mod garbage_on_the_port;
mod half_open;
mod members;
mod met_before;
mod restarted;
mod said_before;
mod stranger;
mod turned_away;
mod witness;
