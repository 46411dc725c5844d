//! Writes a small filled database of a version as SQL text: the golden file that later versions must be able to open.
//! `cargo run -p holdfast-store --example old_database -- VERSION > sync/store/tests/old/version-VERSION.sql`, once, when
//! a version is released.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use holdfast_store::schema::{self, downgrade};
use holdfast_store::store::Store;
use rusqlite::Connection;
use rusqlite::types::Value;

/// Tables that others refer to come first.
const PARENTS: [&str; 3] = ["chains", "forks", "tracks"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let version = std::env::args().nth(1).ok_or("give the version of the schema")?.parse()?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("holdfast.db");
    fixture::fill_with(&Store::open(&path)?, 2);
    if version < schema::VERSION {
        downgrade(&path, version)?;
    }
    let conn = Connection::open(&path)?;
    let mut parts =
        conn.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")?;
    let mut parts = parts
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<(String, String, String)>, _>>()?;
    for (.., sql) in &parts {
        println!("{sql};");
    }
    parts.retain(|(kind, ..)| kind == "table");
    parts.sort_by_key(|(_, name, _)| !PARENTS.contains(&name.as_str()));
    for (_, name, _) in parts {
        let mut rows = conn.prepare(&format!("SELECT * FROM {name}"))?;
        let width = rows.column_count();
        let mut rows = rows.query(())?;
        while let Some(row) = rows.next()? {
            let values =
                (0..width).map(|column| Ok(literal(&row.get(column)?))).collect::<rusqlite::Result<Vec<_>>>()?;
            println!("INSERT INTO {name} VALUES ({});", values.join(", "));
        }
    }
    println!("PRAGMA application_id = {};\nPRAGMA user_version = {version};", schema::APPLICATION_ID);
    Ok(())
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => bytes.iter().fold("x'".to_owned(), |text, byte| format!("{text}{byte:02x}")) + "'",
    }
}
