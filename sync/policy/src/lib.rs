//! Who may: the rules by which a device's role decides what it may author, hold and grant.
//!
//! Pure functions over the words of `domain`. They are asked twice for one and the same thing: by the node that writes
//! an entry and by every node that receives it, so a rule here may depend on nothing but its arguments. What becomes of
//! an entry that a rule denies (quarantine, audit) is the driver's business, not decided here.

pub mod authorship;
pub mod membership;

#[cfg(test)]
mod tests;
