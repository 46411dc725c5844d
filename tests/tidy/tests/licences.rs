//! Fear: a dependency comes in under terms we cannot keep, or from somewhere else than the registry.

use std::collections::BTreeSet;

use cargo_metadata::{Metadata, MetadataCommand};
use holdfast_tidy::files::{root, text};
use holdfast_tidy::licence::is_allowed;

fn everything() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().expect("cargo metadata runs")
}

/// The licences that `deny.toml` allows, so that there is one list.
fn allowed() -> Vec<String> {
    let text = text("deny.toml");
    let list = text.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("deny.toml allows some");
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or(""));
    lines
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().trim_matches('"').to_owned())
        .filter(|n| !n.is_empty())
        .collect()
}

#[test]
fn every_package_has_a_licence_we_allow() {
    let allowed = allowed();
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for package in &everything().packages {
        match package.license.as_deref().map(|expression| is_allowed(expression, &allowed)) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => wrong.push(format!("{} {}: {:?}", package.name, package.version, package.license)),
            Some(Err(fault)) => wrong.push(format!("{} {}: {fault}", package.name, package.version)),
            None => wrong.push(format!("{} {}: names no licence", package.name, package.version)),
        }
    }
    assert!(wrong.is_empty(), "licences not allowed by deny.toml:\n{}", wrong.join("\n"));
}

#[test]
fn no_licence_is_allowed_in_vain() {
    let metadata = everything();
    let expressions: Vec<&str> = metadata.packages.iter().filter_map(|package| package.license.as_deref()).collect();
    let words: BTreeSet<&str> = expressions.iter().flat_map(|text| text.split(|c: char| "/() ".contains(c))).collect();
    for name in allowed() {
        let used = name.split(' ').all(|word| words.contains(word));
        assert!(used, "deny.toml allows {name}, which nothing here is under");
    }
}

#[test]
fn everything_comes_from_the_registry_or_from_here() {
    let metadata = everything();
    let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
    for package in &metadata.packages {
        match &package.source {
            None => assert!(members.contains(&package.id), "{} comes from a path outside", package.name),
            Some(source) => assert!(source.is_crates_io(), "{} comes from {}", package.name, source.repr),
        }
    }
}

#[test]
fn our_own_licence_is_the_whole_text() {
    let text = text("LICENSE");
    for part in ["Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS", "APPENDIX"] {
        assert!(text.contains(part), "LICENSE lacks `{part}`");
    }
    for package in everything().workspace_packages() {
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{}", package.name);
    }
}
