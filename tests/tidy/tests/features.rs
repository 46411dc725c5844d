//! Fear: the Feature Matrix or the changelog promises what no test shows. Both are held to the code.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_tidy::features::{Row, ids, rows};
use holdfast_tidy::files::{root, text};

const MATRIX: &str = "docs/FEATURE_MATRIX.md";
const GROUPS: [&str; 5] = ["Added", "Changed", "Fixed", "Security", "Operations"];

/// What is wrong with a name in the column `test`, if anything: `file` or `file::test_name`.
fn test_fault(name: &str) -> Option<String> {
    let (path, test) = name.split_once("::").unwrap_or((name, ""));
    if !root().join(path).exists() {
        return Some(format!("`{path}` is not there"));
    }
    let test = test.rsplit("::").next().unwrap_or("");
    (!test.is_empty() && !text(path).contains(&format!("fn {test}("))).then(|| format!("`{path}` has no test `{test}`"))
}

fn faults(row: &Row) -> Vec<String> {
    let mut faults = Vec::new();
    if !["Planned", "In progress", "Done"].contains(&row.status.as_str()) {
        faults.push(format!("status `{}` is none of Planned, In progress, Done", row.status));
    }
    if row.capability.is_empty() {
        faults.push("says nothing about what it is".to_owned());
    }
    if row.status == "Done" && row.tests.is_empty() {
        faults.push("is Done and names no test".to_owned());
    }
    if row.status != "Planned" {
        if row.owner.is_empty() {
            faults.push(format!("is {} and has no owner", row.status));
        }
        let missing = row.owner.iter().filter(|owner| !root().join(owner.as_str()).exists());
        faults.extend(missing.map(|owner| format!("owner `{owner}` is not there")));
        faults.extend(row.tests.iter().filter_map(|test| test_fault(test)));
    }
    faults
}

#[test]
fn every_id_stands_once_and_keeps_its_word() {
    let rows = rows(&text(MATRIX));
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        if let Some(before) = told.insert(&row.id, row.line) {
            wrong.push(format!("{}: stands on line {before} and line {}", row.id, row.line));
        }
        wrong.extend(faults(row).into_iter().map(|fault| format!("line {}: {} {fault}", row.line, row.id)));
    }
    let known: BTreeSet<String> = ids().into_iter().collect();
    wrong.extend(known.iter().filter(|id| !told.contains_key(id.as_str())).map(|id| format!("{id} has no row")));
    wrong.extend(told.keys().filter(|id| !known.contains(**id)).map(|id| format!("{id} is no id of ours")));
    assert!(wrong.is_empty(), "{MATRIX}:\n{}", wrong.join("\n"));
}

#[test]
fn the_changelog_speaks_of_what_there_is() {
    let text = text("CHANGELOG.md");
    let known: BTreeSet<String> = ids().into_iter().collect();
    assert!(text.lines().any(|line| line == "## Unreleased"), "CHANGELOG.md has no section `## Unreleased`");
    let mut group = "";
    let mut bullets: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("### ") {
            assert!(GROUPS.contains(&name), "CHANGELOG.md:{}: `{name}` is none of {GROUPS:?}", number + 1);
            group = name;
        } else if line.starts_with("## ") {
            group = "";
        } else if let Some(bullet) = line.strip_prefix("- ") {
            assert!(!group.is_empty(), "CHANGELOG.md:{}: a line outside of {GROUPS:?}", number + 1);
            bullets.push((number + 1, bullet.to_owned()));
        } else if let (true, Some((_, bullet))) = (line.starts_with("  "), bullets.last_mut()) {
            bullet.push(' ');
            bullet.push_str(line.trim());
        }
    }
    assert!(!bullets.is_empty(), "CHANGELOG.md says nothing");
    for (line, bullet) in bullets {
        let named: Vec<&str> = bullet.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(is_id).collect();
        assert!(!named.is_empty(), "CHANGELOG.md:{line} names no id of the Feature Matrix");
        let unknown: Vec<_> = named.iter().filter(|id| !known.contains(**id)).collect();
        assert!(unknown.is_empty(), "CHANGELOG.md:{line} names {unknown:?}, which the Feature Matrix does not have");
    }
}

/// Whether a word has the shape `SYN-004`.
fn is_id(word: &&str) -> bool {
    word.split_once('-').is_some_and(|(area, number)| {
        (2..=3).contains(&area.len())
            && area.bytes().all(|b| b.is_ascii_uppercase())
            && number.len() == 3
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}
