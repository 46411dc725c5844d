//! A simulated world of real Engines: virtual time, bad links, power cuts, wrong clocks, cloned disks, forging relays.
//!
//! Everything is drawn from one seed, so a seed repeats a run exactly. A scenario does its harm first, then heals the
//! links and demands that all nodes agree and that nothing acknowledged is missing ([`oracle`]).

pub mod contacts;
pub mod life;
pub mod link;
pub mod mallory;
pub mod oracle;
pub mod record;
pub mod story;
pub mod vehicle;
pub mod world;

pub mod craft;
pub mod harm;

mod happen;
