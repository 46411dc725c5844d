//! Others' words: dispatch tables, GPX, NMEA and position tables, read into edits and fixes of the domain.
//!
//! Everything here is a pure function over bytes: no files, no clock, no network. A reader takes what is right and names
//! each row that it leaves out, by its line in the file and with what would be right; only a file that is not of the
//! expected kind at all is an error. What is done with the records, and under whose name, is the caller's business.

pub mod error;
pub mod report;

pub mod dispatch;
pub mod mapping;

pub mod gpx;
pub mod nmea;
pub mod track;
pub mod track_csv;

mod intake;
mod moment;
mod quantity;
mod table;
