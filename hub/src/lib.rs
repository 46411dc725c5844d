//! The command post: a node that also shows the fleet.
//!
//! Not here: enrolment and sync, which any node has. What is the hub's own is the view over all devices.

pub mod fleet;
