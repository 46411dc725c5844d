//! The ids of the Feature Matrix, and its rows.

/// Every area with the number of its ids, from 001 on.
pub const AREAS: [(&str, u32); 13] = [
    ("FND", 8),
    ("SEC", 15),
    ("SYN", 14),
    ("CMD", 11),
    ("ODM", 7),
    ("MSG", 8),
    ("SA", 9),
    ("GEO", 9),
    ("HUB", 8),
    ("INT", 9),
    ("UI", 9),
    ("OPS", 10),
    ("DR", 6),
];

/// Every id in order.
pub fn ids() -> Vec<String> {
    AREAS.iter().flat_map(|(area, count)| (1..=*count).map(move |number| format!("{area}-{number:03}"))).collect()
}

/// A row of `docs/FEATURE_MATRIX.md`.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: usize,
    /// Such as `SYN-004`.
    pub id: String,
    /// What it is.
    pub capability: String,
    /// Crate or folder.
    pub owner: Vec<String>,
    /// Planned, In progress or Done.
    pub status: String,
    /// Files, or `file::test`.
    pub tests: Vec<String>,
}

/// The rows whose first cell looks like an id.
pub fn rows(matrix: &str) -> Vec<Row> {
    let rows = matrix.lines().enumerate().filter_map(|(index, line)| {
        let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [id, capability, owner, status, test] = cells[..] else { return None };
        let shape = id.split_once('-').is_some_and(|(_, number)| number.len() == 3 && number.parse::<u32>().is_ok());
        shape.then(|| Row {
            line: index + 1,
            id: id.to_owned(),
            capability: capability.to_owned(),
            owner: names(owner),
            status: status.to_owned(),
            tests: names(test),
        })
    });
    rows.collect()
}

/// Names in a cell: parted by commas or `<br>`, with or without backticks; a dash is none.
fn names(cell: &str) -> Vec<String> {
    let parts = cell.split("<br>").flat_map(|part| part.split(','));
    let bare = parts.map(|part| part.trim().trim_matches('`').to_owned());
    bare.filter(|name| !name.is_empty() && name != "–" && name != "-").collect()
}
