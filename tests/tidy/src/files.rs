//! The files of the project: all that git would take, found without git.

use std::path::{Path, PathBuf};

/// Folders that hold what tools make.
const MADE: [&str; 5] = ["target", ".git", "node_modules", "demo-data", "fixtures"];

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

/// Every file with one of these endings, by its path from the root with `/`, in order. Fixtures are others' words and
/// are left out.
pub fn with_ending(endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !MADE.contains(&name.as_str()) => folders.push(path),
                Ok(kind) if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) => {
                    found.push(path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/"));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The text of a file by its path from the root.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
