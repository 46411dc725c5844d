//! Dispatch tables: one row for each unit sent to an incident, read into incidents, units and who was sent where.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::api::RejectedRow;
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::{IncidentId, MissionId, UnitId};
use holdfast_domain::incident::IncidentNew;
use holdfast_domain::unit::UnitNew;
use jiff::tz::TimeZone;

use crate::error::FormatError;
use crate::intake;
use crate::mapping::{Field, Mapping};
use crate::moment::Notation;
use crate::quantity;
use crate::report::{Rejects, excerpt};
use crate::table::Table;

/// What was asked for, in words.
const EXPECTED: &str = "a CSV table of dispatched calls with a head that names the columns";
/// Columns named in an error.
const COLUMNS_NAMED_MAX: usize = 40;
/// Urgency of a row that states none, as for incidents made by hand.
const PRIORITY_DEFAULT: u8 = 3;

/// A dispatch table as edits of a mission.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DispatchImport {
    /// Incidents with the line of their first row. Their ids are derived, so a second import names the same records.
    pub incidents: Vec<(u64, IncidentNew)>,
    /// Units with the line of their first row.
    pub units: Vec<(u64, UnitNew)>,
    /// Which unit was sent to which incident, in order of the file, each pair once.
    pub commitments: Vec<(UnitId, IncidentId)>,
    /// Rows left out: the first thousand.
    pub rejected: Vec<RejectedRow>,
    /// How many rows were left out in all.
    pub rejected_total: u64,
    /// Rows read, good or bad, without the head and blank lines.
    pub rows: u64,
}

/// Reads a dispatch table. Several rows (units) of one incident make one incident; where they differ, the first counts.
/// A row that cannot be right is rejected and the rest goes in.
///
/// # Errors
/// If the file is no table, lacks columns that the mapping names, or the mapping cannot work.
pub fn read_dispatch(bytes: &[u8], mapping: &Mapping, mission: MissionId) -> Result<DispatchImport, FormatError> {
    mapping.check()?;
    let (table, head) = Table::open(intake::table(bytes, EXPECTED)?, mapping.delimiter as u8)?;
    let mut reader = Reader::new(mapping, &head, mission)?;
    for (line, cells) in table {
        reader.out.rows += 1;
        match cells.and_then(|cells| reader.row(&cells)) {
            Ok(row) => reader.keep(line, row),
            Err(reason) => reader.rejects.push(line, reason),
        }
    }
    Ok(reader.finish())
}

/// Where a text stands in a row.
enum Cell {
    Column(usize, String),
    Constant(String),
}

/// A row that can stand.
struct Row {
    incident: IncidentNew,
    number: String,
    unit: Option<UnitNew>,
}

/// The homes that a unit's rows give: on how many rows, and the line of the first.
type Homes = BTreeMap<String, (u64, Reverse<u64>)>;

struct Reader<'a> {
    mapping: &'a Mapping,
    mission: String,
    notation: Notation,
    zone: TimeZone,
    cells: BTreeMap<&'static str, Cell>,
    incidents: BTreeMap<String, IncidentId>,
    units: BTreeMap<UnitId, usize>,
    homes: BTreeMap<UnitId, Homes>,
    pairs: BTreeSet<(UnitId, IncidentId)>,
    rejects: Rejects,
    out: DispatchImport,
}

impl<'a> Reader<'a> {
    fn new(mapping: &'a Mapping, head: &[String], mission: MissionId) -> Result<Self, FormatError> {
        let missing: BTreeSet<String> =
            mapping.columns().into_iter().filter(|name| !head.iter().any(|column| column == name.trim())).collect();
        if !missing.is_empty() {
            let found = head.iter().take(COLUMNS_NAMED_MAX).map(|name| excerpt(name)).collect();
            return Err(FormatError::MissingColumns { missing: missing.into_iter().collect(), found });
        }
        let at = |name: &str| head.iter().position(|column| column == name.trim()).unwrap_or(usize::MAX);
        let place = |field: Field| match field.column {
            Some(name) => Cell::Column(at(&name), name),
            None => Cell::Constant(field.constant.unwrap_or_default()),
        };
        let mut cells: BTreeMap<_, _> = mapping.fields().into_iter().map(|(key, field)| (key, place(field))).collect();
        cells.insert("opened", Cell::Column(at(&mapping.opened.column), mapping.opened.column.clone()));
        let (notation, zone) = mapping.notation()?;
        Ok(Self {
            mapping,
            mission: mission.to_string(),
            notation,
            zone,
            cells,
            incidents: BTreeMap::new(),
            units: BTreeMap::new(),
            homes: BTreeMap::new(),
            pairs: BTreeSet::new(),
            rejects: Rejects::default(),
            out: DispatchImport::default(),
        })
    }

    /// The text for a key in this row, trimmed; empty if there is none.
    fn text<'r>(&'r self, row: &'r [Cow<'_, str>], key: &str) -> &'r str {
        let text = match self.cells.get(key) {
            Some(Cell::Column(at, _)) => row.get(*at).map_or("", |cell| cell.trim()),
            Some(Cell::Constant(text)) => text,
            None => "",
        };
        if self.mapping.empty.iter().any(|word| word == text) { "" } else { text }
    }

    /// The text for a key that every row must have.
    fn needed<'r>(&'r self, row: &'r [Cow<'_, str>], key: &str) -> Result<&'r str, String> {
        match (self.text(row, key), self.cells.get(key)) {
            ("", Some(Cell::Column(_, name))) => Err(format!("no {key}: column `{name}` is empty")),
            ("", _) => Err(format!("no {key}")),
            (text, _) => Ok(text),
        }
    }

    fn row(&self, row: &[Cow<'_, str>]) -> Result<Row, String> {
        let number = self.needed(row, "number")?.to_owned();
        let opened_ms = self.notation.read(self.needed(row, "opened")?, &self.zone)?;
        let incident = IncidentNew {
            id: Some(IncidentId::derived(opened_ms, &[&self.mission, &self.mapping.source, &number])),
            number: Some(number.clone()),
            kind: self.needed(row, "kind")?.to_owned(),
            priority: self.priority(self.text(row, "priority"))?,
            address: self.text(row, "address").to_owned(),
            area: self.text(row, "area").to_owned(),
            position: self.position(row)?,
            notes: String::new(),
            opened_ms: Some(opened_ms),
            status: None,
        };
        incident.check().map_err(|refusal| refusal.to_string())?;
        Ok(Row { incident, number, unit: self.unit(row)? })
    }

    fn priority(&self, text: &str) -> Result<u8, String> {
        let words = self.mapping.priority.as_ref().map(|priority| &priority.words);
        match words {
            _ if text.is_empty() => Ok(PRIORITY_DEFAULT),
            Some(words) if !words.is_empty() => words.get(text).copied().ok_or_else(|| {
                let known = words.keys().cloned().collect::<Vec<_>>().join(", ");
                format!("priority `{}` is not in the mapping, which knows {known}", excerpt(text))
            }),
            _ => text.parse().ok().filter(|urgency| (1..=5).contains(urgency)).ok_or_else(|| {
                format!("priority `{}` is not 1 (highest) to 5; map it under `priority.words`", excerpt(text))
            }),
        }
    }

    fn position(&self, row: &[Cow<'_, str>]) -> Result<Option<LatLon>, String> {
        let location = self.text(row, "location");
        let (lat, lon) = if location.is_empty() {
            (self.text(row, "lat"), self.text(row, "lon"))
        } else {
            let bare = location.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(location);
            bare.split_once(',').ok_or_else(|| {
                format!("location `{}` is not `(lat, lon)` such as `(37.7749, -122.4194)`", excerpt(location))
            })?
        };
        match (lat, lon) {
            ("", "") => Ok(None),
            (lat, lon) => quantity::position(lat, lon).map(Some),
        }
    }

    fn unit(&self, row: &[Cow<'_, str>]) -> Result<Option<UnitNew>, String> {
        let callsign = self.text(row, "unit");
        if callsign.is_empty() {
            return Ok(None);
        }
        let unit = UnitNew {
            id: Some(UnitId::derived(0, &[&self.mission, &self.mapping.source, callsign])),
            callsign: callsign.to_owned(),
            kind: self.text(row, "unit_kind").to_owned(),
            home: self.text(row, "unit_home").to_owned(),
        };
        unit.check().map_err(|refusal| refusal.to_string())?;
        Ok(Some(unit))
    }

    fn keep(&mut self, line: u64, row: Row) {
        let Some(fresh) = row.incident.id else { return };
        let incident = match self.incidents.entry(row.number) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacancy) => {
                self.out.incidents.push((line, row.incident));
                *vacancy.insert(fresh)
            }
        };
        let Some((unit, id)) = row.unit.and_then(|unit| unit.id.map(|id| (unit, id))) else { return };
        if !unit.home.is_empty() {
            let homes = self.homes.entry(id).or_default();
            homes.entry(unit.home.clone()).or_insert((0, Reverse(line))).0 += 1;
        }
        if !self.units.contains_key(&id) {
            self.units.insert(id, self.out.units.len());
            self.out.units.push((line, unit));
        }
        if self.pairs.insert((id, incident)) {
            self.out.commitments.push((id, incident));
        }
    }

    fn finish(mut self) -> DispatchImport {
        for (id, homes) in self.homes {
            // Of homes on equally many rows, the first in the file.
            let most = homes.into_iter().max_by_key(|(_, weight)| *weight);
            if let (Some(&at), Some((home, _))) = (self.units.get(&id), most) {
                self.out.units[at].1.home = home;
            }
        }
        self.out.rejected = self.rejects.rows;
        self.out.rejected_total = self.rejects.total;
        self.out
    }
}
