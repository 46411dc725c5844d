//! What the house rules are checked with: the files of the project, Rust source without its words, SPDX licence texts.
//!
//! The rules themselves are the tests of this crate, one file for each kind of rule.

pub mod features;
pub mod files;
pub mod licence;
pub mod source;
