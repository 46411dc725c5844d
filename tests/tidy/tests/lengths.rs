//! Fear: functions and files grow until nobody reads them. What is too long is listed, and the lists only shrink.

use std::collections::BTreeMap;

use holdfast_tidy::files::{text, with_ending};
use holdfast_tidy::source::{code_only, functions};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;

/// A list of `name lines`; lines with `#` are remarks.
fn listed(path: &str) -> BTreeMap<String, usize> {
    let text = text(path);
    let rows = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let (name, lines) = row.rsplit_once(' ').unwrap_or_else(|| panic!("{path}: `{row}` is not `name lines`"));
        (name.to_owned(), lines.parse().unwrap_or_else(|_| panic!("{path}: `{row}` is not `name lines`")))
    })
    .collect()
}

/// Compares what is too long with what is listed: nothing fresh, nothing grown, nothing listed in vain.
fn check(what: &str, list: &str, max: usize, found: &BTreeMap<String, usize>) {
    let listed = listed(list);
    let mut faults = Vec::new();
    for (name, lines) in found {
        match listed.get(name) {
            None => faults.push(format!("{name} has {lines} lines; a {what} has at most {max}: part it")),
            Some(known) if lines > known => faults.push(format!("{name} grew from {known} to {lines} lines: part it")),
            Some(known) if lines < known => faults.push(format!("{name} shrank to {lines} lines: say so in {list}")),
            Some(_) => {}
        }
    }
    let vain = listed.keys().filter(|name| !found.contains_key(*name));
    faults.extend(vain.map(|name| format!("{name} is not too long any more: take it out of {list}")));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_function_fits_a_screen() {
    let mut found = BTreeMap::new();
    for path in with_ending(&[".rs"]) {
        for function in functions(&code_only(&text(&path))) {
            if function.lines > FUNCTION_LINES_MAX {
                let longest: &mut usize = found.entry(format!("{path}::{}", function.name)).or_default();
                *longest = function.lines.max(*longest);
            }
        }
    }
    check("function", "tests/tidy/long_functions.txt", FUNCTION_LINES_MAX, &found);
}

#[test]
fn a_file_has_one_noun() {
    let lengths = with_ending(&[".rs"]).into_iter().map(|path| {
        let lines = text(&path).lines().count();
        (path, lines)
    });
    let found = lengths.filter(|(_, lines)| *lines > FILE_LINES_MAX).collect();
    check("file", "tests/tidy/long_files.txt", FILE_LINES_MAX, &found);
}
