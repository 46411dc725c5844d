//! The replica as its callers know it: stories, rules, properties, and what a mad device may try.

mod crew;

mod conflict_story;
mod rival_births;
