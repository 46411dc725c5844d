//! Bad links between real processes: a UDP relay in user space with delay, jitter, loss, a rate, a queue and a switch.
//!
//! It needs no rights and no network namespaces, so it runs wherever tests run. What goes through is never looked into.
//! With the feature `tunnel` there is a link for whole IP packets too, between two network namespaces; that needs root.

pub mod relay;
#[cfg(feature = "tunnel")]
pub mod tunnel;

mod line;
