//! Fear: the house rules for source files are forgotten one file at a time.

use holdfast_tidy::files::{text, with_ending};
use holdfast_tidy::source::{code_only, uses};

/// Source folders of rooms that are functions of their arguments.
const PURE: [&str; 5] =
    ["schemas/domain/src/", "schemas/formats/src/", "sync/replica/src/", "sync/protocol/src/", "sync/policy/src/"];
/// What a function of its arguments cannot name. Hash maps are here because their order differs from run to run.
const IMPURE: [&str; 13] = [
    "tokio",
    "quinn",
    "rusqlite",
    "axum",
    "SystemTime",
    "Instant",
    "std::thread",
    "std::fs",
    "std::net",
    "rand",
    "getrandom",
    "HashMap",
    "HashSet",
];
/// What would make a simulated run differ from its repetition.
const UNREPEATABLE: [&str; 5] = ["SystemTime", "Instant", "std::thread", "getrandom", "HashMap"];

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let wrong: Vec<String> = with_ending(&[".rs"])
        .into_iter()
        .filter_map(|path| {
            let first = text(&path).lines().next().unwrap_or("").to_owned();
            let says = first.starts_with("//! ") && first.len() > 12 && !first.contains("Placeholder");
            (!says).then(|| format!("{path} opens with `{first}`"))
        })
        .collect();
    assert!(wrong.is_empty(), "a file opens with one `//!` line that says what it is for:\n{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_name_nothing_impure() {
    for path in with_ending(&[".rs"]).iter().filter(|path| PURE.iter().any(|room| path.starts_with(room))) {
        let code = code_only(&text(path));
        for name in IMPURE {
            assert!(!uses(&code, name), "{path} is in a pure room and names `{name}`; let it come in as an argument");
        }
    }
}

#[test]
fn the_world_repeats_itself() {
    // What starts worlds and times them is no part of one.
    let outside = ["tests/world/src/bin/", "tests/world/examples/"];
    let inside =
        |path: &&String| path.starts_with("tests/world/") && !outside.iter().any(|room| path.starts_with(room));
    for path in with_ending(&[".rs"]).iter().filter(inside) {
        let code = code_only(&text(path));
        for name in UNREPEATABLE {
            assert!(!uses(&code, name), "{path} names `{name}`; the world has its own time and dice");
        }
    }
}

#[test]
fn nothing_is_left_to_do_later_and_no_test_is_switched_off() {
    // Parted here, so that this file does not name them itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["#[ign", "ore"], ["dbg", "!("], ["unimpl", "emented!"]];
    let words = words.map(|parts| parts.concat());
    for path in with_ending(&[".rs", ".toml", ".md", ".sh", ".yaml", ".yml", "run", ".service"]) {
        let text = text(&path);
        for (number, line) in text.lines().enumerate() {
            for word in &words {
                assert!(!line.contains(word.as_str()), "{path}:{} has `{word}`", number + 1);
            }
        }
    }
    let later = ["to", "do!("].concat();
    for path in with_ending(&[".rs"]) {
        assert!(!code_only(&text(&path)).contains(&later), "{path} has `{later}`");
    }
}

#[test]
fn no_file_is_a_drawer_for_everything() {
    for path in with_ending(&[".rs"]) {
        let name = path.rsplit('/').next().unwrap_or("");
        let drawer = ["util.rs", "utils.rs", "types.rs", "common.rs", "helpers.rs", "misc.rs"].contains(&name);
        assert!(!drawer, "{path}: a file is an idea; give its parts to their users or find the noun");
    }
}
