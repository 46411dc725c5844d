//! Fear: a room comes to depend on one it must not know. The allowed arrows are those of `docs/ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Each room with the rooms it may depend on.
const ROOMS: [(&str, &[&str]); 10] = [
    ("domain", &[]),
    ("formats", &["domain"]),
    ("replica", &["domain"]),
    ("protocol", &["domain"]),
    ("policy", &["domain"]),
    ("store", &["domain"]),
    ("transport", &["domain"]),
    ("driver", &["domain", "replica", "protocol", "policy", "store", "transport"]),
    ("node", &["domain", "formats", "driver", "transport"]),
    ("hub", &["domain", "formats", "driver", "node"]),
];
/// What proves the rooms: it may depend on anything, and no room on it.
const PROOF: [&str; 7] = ["linkem", "world", "cluster", "bench", "tidy", "fuzz", "xtask"];
/// Rooms that are functions of their arguments.
const PURE: [&str; 5] = ["domain", "formats", "replica", "protocol", "policy"];
/// What brings sockets, disks, clocks, threads or chance.
const IMPURE_CRATES: [&str; 10] =
    ["tokio", "quinn", "rusqlite", "axum", "rand", "rand_chacha", "getrandom", "mio", "socket2", "tempfile"];

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(holdfast_tidy::files::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata runs")
}

fn room(package: &Package) -> &str {
    package.name.strip_prefix("holdfast-").unwrap_or(&package.name)
}

fn rooms_of(package: &Package) -> BTreeSet<&str> {
    package.dependencies.iter().filter_map(|dependency| dependency.name.strip_prefix("holdfast-")).collect()
}

#[test]
fn rooms_depend_only_on_the_rooms_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.into();
    for package in &workspace().packages {
        let name = room(package);
        let Some(allowed) = allowed.get(name) else {
            assert!(
                PROOF.contains(&name),
                "{name} has no place in the house: list it here and in docs/ARCHITECTURE.md"
            );
            continue;
        };
        for other in rooms_of(package) {
            assert!(allowed.contains(&other), "{name} must not depend on {other}; it may depend on {allowed:?}");
        }
    }
}

#[test]
fn every_room_is_there_under_its_own_name() {
    let metadata = workspace();
    let there: BTreeSet<&str> = metadata.packages.iter().map(room).collect();
    for (name, _) in ROOMS {
        assert!(there.contains(name), "{name} is listed and not there");
    }
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            assert_eq!(dependency.rename, None, "{} renames {}", package.name, dependency.name);
        }
    }
}

#[test]
fn pure_rooms_bring_in_no_sockets_disks_clocks_or_chance() {
    for package in workspace().packages.iter().filter(|package| PURE.contains(&room(package))) {
        for dependency in
            package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
        {
            let name = dependency.name.as_str();
            assert!(!IMPURE_CRATES.contains(&name), "{} is pure and must not depend on {name}", package.name);
        }
    }
}

#[test]
fn versions_are_kept_in_one_place() {
    for path in holdfast_tidy::files::with_ending(&["Cargo.toml"]).iter().filter(|path| *path != "Cargo.toml") {
        let text = holdfast_tidy::files::text(path);
        // Programs of others that the bench is compared with are a workspace of their own.
        if text.lines().any(|line| line.trim() == "[workspace]") {
            continue;
        }
        let dependencies = text.lines().skip_while(|line| !line.contains("dependencies]"));
        for line in dependencies.filter(|line| line.contains('=') && !line.trim_start().starts_with('#')) {
            let from_root = line.contains("workspace = true") || line.contains("path =");
            let of_package = ["name", "harness", "test", "required-features", "doc", "bench"]
                .iter()
                .any(|key| line.trim_start().starts_with(key));
            assert!(from_root || of_package, "{path}: `{line}`: give the version in the root Cargo.toml");
        }
    }
}
