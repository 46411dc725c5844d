//! Which column of a dispatch table means what: built in for San Francisco, from TOML for any other.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::error::FormatError;
use crate::moment::{self, Notation};

/// Which column of a dispatch table means what.
///
/// In TOML:
///
/// ```toml
/// source = "county-cad"                    # names the file's system; part of every derived id
/// delimiter = ";"                          # "," if absent
/// empty = ["null", "N/A"]                  # words that stand for an empty cell
/// number = { column = "Incident" }         # what the dispatch system calls the incident
/// kind = { column = "Type" }               # or a fixed text: { constant = "Fire" }
/// priority = { column = "Prio", words = { E = 1, "3" = 2 } }   # without words: 1 to 5 as they stand
/// address = { column = "Address" }         # optional, as all below save `opened`
/// area = { column = "District" }
/// lat = { column = "Y" }                   # decimal degrees, WGS 84
/// lon = { column = "X" }                   # or both: location = { column = "Location" } with "(lat, lon)"
/// opened = { column = "Received", format = "%m/%d/%Y %I:%M:%S %p", zone = "America/Los_Angeles" }
/// unit = { column = "Unit" }               # callsign of the unit sent; a row may have none
/// unit_kind = { column = "UnitType" }
/// unit_home = { column = "Station" }       # where rows differ, the value on most of the unit's rows
/// ```
///
/// `opened.format` is a strptime format, or `iso8601`, `unix_s` or `unix_ms`; a date alone is the start of its day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Names the system the file comes from. Records of one source and number have the same id everywhere.
    pub source: String,
    /// What parts the cells; one ASCII character, a comma if absent.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Words that stand for an empty cell, such as `null`.
    #[serde(default)]
    pub empty: Vec<String>,
    /// What the dispatch system calls the incident.
    pub number: Field,
    /// What the incident is.
    pub kind: Field,
    /// Its urgency.
    #[serde(default)]
    pub priority: Option<PriorityField>,
    /// Where it is, in words.
    #[serde(default)]
    pub address: Option<Field>,
    /// Its district or neighbourhood.
    #[serde(default)]
    pub area: Option<Field>,
    /// Degrees of latitude.
    #[serde(default)]
    pub lat: Option<Field>,
    /// Degrees of longitude.
    #[serde(default)]
    pub lon: Option<Field>,
    /// Both in one cell, as `(lat, lon)` or `lat, lon`.
    #[serde(default)]
    pub location: Option<Field>,
    /// When it was reported.
    pub opened: TimeField,
    /// The callsign of the unit sent.
    #[serde(default)]
    pub unit: Option<Field>,
    /// What that unit is.
    #[serde(default)]
    pub unit_kind: Option<Field>,
    /// Where that unit belongs.
    #[serde(default)]
    pub unit_home: Option<Field>,
}

/// Where a text comes from: a column, or the same text for every row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name of the column, as the head of the table has it.
    #[serde(default)]
    pub column: Option<String>,
    /// A fixed text.
    #[serde(default)]
    pub constant: Option<String>,
}

/// Where the urgency comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorityField {
    /// Name of the column.
    #[serde(default)]
    pub column: Option<String>,
    /// A fixed word.
    #[serde(default)]
    pub constant: Option<String>,
    /// The system's words as urgency, 1 (highest) to 5; without any, the cell holds 1 to 5 itself.
    #[serde(default)]
    pub words: BTreeMap<String, u8>,
}

/// Where a time comes from, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeField {
    /// Name of the column.
    pub column: String,
    /// A strptime format, or `iso8601`, `unix_s`, `unix_ms`.
    pub format: String,
    /// IANA name of the zone the times are in; needed unless each time has its offset from UTC.
    #[serde(default)]
    pub zone: Option<String>,
}

fn comma() -> char {
    ','
}

fn column(name: &str) -> Field {
    Field { column: Some(name.to_owned()), constant: None }
}

fn fault(fault: impl Into<String>) -> FormatError {
    FormatError::Mapping { fault: fault.into() }
}

impl Mapping {
    /// Reads a mapping from TOML.
    ///
    /// # Errors
    /// [`FormatError::Mapping`] for a key that is missing, unknown or cannot work.
    pub fn parse(toml: &str) -> Result<Self, FormatError> {
        let mapping: Self = toml::from_str(toml).map_err(|error| fault(error.to_string().trim_end()))?;
        mapping.check()?;
        Ok(mapping)
    }

    /// The columns of San Francisco's "Fire Department Calls for Service" (DataSF).
    ///
    /// The table has the day of a call but not its minute (`AvailableDtTm` is when the unit was free again), so
    /// incidents open at the start of that day. Its units have no home; the station area where a unit is sent most
    /// often stands in, which for engines is their own. Priorities: `E` is an immediate threat to life, `3` and `2`
    /// are code 3 (lights and siren) and code 2, `1` and letters are the medical determinants that precede them.
    pub fn san_francisco() -> Self {
        let words = [("E", 1), ("D", 1), ("3", 2), ("C", 3), ("B", 3), ("2", 3), ("A", 4), ("1", 4), ("I", 5)];
        Self {
            source: "sffd".to_owned(),
            delimiter: ',',
            empty: vec!["null".to_owned(), "None".to_owned()],
            number: column("IncidentNumber"),
            kind: column("CallType"),
            priority: Some(PriorityField {
                column: Some("Priority".to_owned()),
                constant: None,
                words: words.map(|(word, urgency)| (word.to_owned(), urgency)).into(),
            }),
            address: Some(column("Address")),
            area: Some(column("Neighborhood")),
            lat: None,
            lon: None,
            location: Some(column("Location")),
            opened: TimeField {
                column: "CallDate".to_owned(),
                format: "%Y-%m-%d".to_owned(),
                zone: Some("America/Los_Angeles".to_owned()),
            },
            unit: Some(column("UnitID")),
            unit_kind: Some(column("UnitType")),
            unit_home: Some(column("StationArea")),
        }
    }

    /// Whether the mapping can work at all; its columns are checked against a file when that is read.
    ///
    /// # Errors
    /// [`FormatError::Mapping`] with what is wrong.
    pub fn check(&self) -> Result<(), FormatError> {
        if self.source.trim().is_empty() {
            return Err(fault("`source` is empty; name the system the file comes from"));
        }
        if !self.delimiter.is_ascii() || matches!(self.delimiter, '"' | '\r' | '\n') {
            return Err(fault("`delimiter` must be one ASCII character that is no quote and no line end"));
        }
        for (key, field) in self.fields() {
            if field.column.is_some() == field.constant.is_some() {
                return Err(fault(format!("`{key}` needs either `column` or `constant`")));
            }
        }
        match (&self.lat, &self.lon, &self.location) {
            (None, None, _) | (Some(_), Some(_), None) => {}
            (Some(_), Some(_), Some(_)) => return Err(fault("give `lat` and `lon`, or `location`, not both")),
            _ => return Err(fault("`lat` and `lon` go together")),
        }
        if self.unit.is_none() && (self.unit_kind.is_some() || self.unit_home.is_some()) {
            return Err(fault("`unit_kind` and `unit_home` need `unit`"));
        }
        if let Some((word, urgency)) = self.priority.iter().flat_map(|p| &p.words).find(|(_, u)| !(1..=5).contains(*u))
        {
            return Err(fault(format!("`priority.words` maps `{word}` to {urgency}; give 1 (highest) to 5")));
        }
        self.notation().map(|_| ())
    }

    /// How the opened times are written, and their zone.
    pub(crate) fn notation(&self) -> Result<(Notation, TimeZone), FormatError> {
        let notation = match self.opened.format.as_str() {
            "iso8601" => Notation::Iso8601,
            "unix_s" => Notation::UnixSeconds,
            "unix_ms" => Notation::UnixMilliseconds,
            format if format.contains('%') => Notation::Strptime(format.to_owned()),
            format => {
                return Err(fault(format!(
                    "`opened.format` is `{format}`; give a strptime format such as `%m/%d/%Y %H:%M`, or `iso8601`, `unix_s`, `unix_ms`"
                )));
            }
        };
        let zone = match &self.opened.zone {
            Some(name) => moment::zone(name).map_err(fault)?,
            None if notation.needs_zone() => {
                return Err(fault(
                    "`opened.zone` is missing; times without an offset need one, such as `America/Los_Angeles`, or `UTC`",
                ));
            }
            None => TimeZone::UTC,
        };
        Ok((notation, zone))
    }

    /// Every text of a row with its key, for checks that treat them alike.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Field)> {
        let priority = self.priority.as_ref().map(|p| Field { column: p.column.clone(), constant: p.constant.clone() });
        let optional = [
            ("priority", priority),
            ("address", self.address.clone()),
            ("area", self.area.clone()),
            ("lat", self.lat.clone()),
            ("lon", self.lon.clone()),
            ("location", self.location.clone()),
            ("unit", self.unit.clone()),
            ("unit_kind", self.unit_kind.clone()),
            ("unit_home", self.unit_home.clone()),
        ];
        let needed = [("number", self.number.clone()), ("kind", self.kind.clone())];
        let optional = optional.into_iter().filter_map(|(key, field)| field.map(|field| (key, field)));
        needed.into_iter().chain(optional).collect()
    }

    /// Every column that the head of the table must have.
    pub(crate) fn columns(&self) -> Vec<String> {
        let opened = self.opened.column.clone();
        self.fields().into_iter().filter_map(|(_, field)| field.column).chain([opened]).collect()
    }
}

#[cfg(test)]
mod tests;
