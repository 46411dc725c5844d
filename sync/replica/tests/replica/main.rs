//! The replica as its callers know it: stories, rules, properties, and what a mad device may try.

mod crew;

mod closure;
mod conflict_story;
mod generations;
mod lies;
mod mad_device;
mod packs;
mod partitions;
mod rival_births;
mod rules;
mod segments;
mod sizes;
mod thinning;
