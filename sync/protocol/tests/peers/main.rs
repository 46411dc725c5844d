//! Peers in a small world: protocols with stores in memory, joined by links that deliver in an order drawn from a seed.

mod node;
mod org;
mod world;

mod blobs;
mod convergence;
mod equivocation;
mod first_word;
mod links;
mod own_history;
mod proof;
mod push;
mod remembered;
mod resumed;
mod session;
mod tree;

mod fuzz;
