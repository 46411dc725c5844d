//! The page `docs/benchmarks.md`, written from the figures.

use std::fmt::Write;

use anyhow::Result;

use crate::hot_paths::HotPath;
use crate::report::{Goal, Report, Row, number};
use crate::rows::bounds;

const HEAD: &str = "# Benchmarks

<!-- Written by `cargo xtask bench`; do not edit by hand. -->

What sync costs, as ratios to a floor. M = bytes of the missing items packed as tightly as is known (automerge's bundle of
missing changes; bodies of feeds under zstd -19). C = link rate, p = loss, R = round trip, h = hops. B0 = M/(1−p).
T0 = R(1+h) + 8·B0/C. Wire bytes are all bytes of both directions that went onto the link, lost or not, with 28 bytes of
IPv4 and UDP header for each datagram; TLS 1.3 and signatures are included for Holdfast.

Nodes are real processes on loopback; each link is emulated with a rate, a delay, a finite queue and loss
by seed. A value is `–` where it could not be measured; the note says why. Times are of one machine and its load; bytes
and ratios are not. Rows can be of several runs (`--only`).
";

/// The whole page.
pub(crate) fn page(report: &Report) -> Result<String> {
    let mut text = HEAD.to_owned();
    let kind = if report.quick { "A quick run (smaller work)" } else { "A full run" };
    writeln!(
        text,
        "\n{kind} of {} on {}.\n\n```\ncargo xtask bench --json target/bench.json          # all of it",
        report.build, report.machine
    )?;
    writeln!(text, "cargo xtask bench --quick --json FILE               # smaller work")?;
    writeln!(
        text,
        "cargo xtask bench --only 1,3 --json FILE            # some rows; the others stay as they are\n```\n"
    )?;
    table(&mut text, &report.rows)?;
    plot(&mut text, &report.rows)?;
    others(&mut text, &report.rows)?;
    hot_paths(&mut text, &report.hot_paths)?;
    details(&mut text, &report.rows)?;
    Ok(text)
}

fn table(text: &mut String, rows: &[Row]) -> Result<()> {
    let met = rows.iter().filter(|row| row.met).count();
    writeln!(text, "{met} of {} goals are met.\n", rows.len())?;
    writeln!(text, "| # | measure | value | unit | goal | |\n|---|---|---:|---|---|---|")?;
    for row in rows {
        let mark = if row.met { "met" } else { "**missed**" };
        let goal = row.goal.text();
        writeln!(text, "| {} | {} | {} | {} | {goal} | {mark} |", row.id, row.name, number(row.value), row.unit)?;
    }
    writeln!(text)?;
    Ok(())
}

/// How many times worse than its goal a value is; below 1 it is better.
fn excess(row: &Row) -> Option<f64> {
    let value = row.value?;
    Some(match row.goal {
        Goal::AtMost(most) => value / most,
        Goal::AtLeast(least) => least / value.max(f64::MIN_POSITIVE),
    })
}

fn plot(text: &mut String, rows: &[Row]) -> Result<()> {
    const COLUMNS_PER_DOUBLING: f64 = 5.0;
    const LEFT_DOUBLINGS: f64 = 4.0;
    const RIGHT_DOUBLINGS: f64 = 6.0;
    writeln!(
        text,
        "## Distance from the goals\n\nEach `=` is a fifth of a doubling; left of the bar is better than the goal.\n\n```"
    )?;
    let (left, right) = (LEFT_DOUBLINGS * COLUMNS_PER_DOUBLING, RIGHT_DOUBLINGS * COLUMNS_PER_DOUBLING);
    for row in rows {
        let Some(excess) = excess(row) else { continue };
        let columns = excess.max(1e-9).log2() * COLUMNS_PER_DOUBLING;
        let better = "=".repeat((-columns).clamp(0.0, left).round() as usize);
        let worse = "=".repeat(columns.clamp(0.0, right).round() as usize);
        let beyond = if columns > right { ">" } else { "" };
        writeln!(text, "{:>4} {better:>20}|{worse}{beyond}", row.id)?;
    }
    writeln!(text, "```\n")?;
    Ok(())
}

fn others(text: &mut String, rows: &[Row]) -> Result<()> {
    let compared: Vec<&Row> = rows.iter().filter(|row| !row.peers.is_empty()).collect();
    if compared.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "## Others on the same work and link\n\n| # | measure | unit | who | value |\n|---|---|---|---|---:|"
    )?;
    for row in compared {
        let (id, name, unit) = (&row.id, &row.name, &row.unit);
        writeln!(text, "| {id} | {name} | {unit} | Holdfast | {} |", number(row.value))?;
        for (peer, value) in &row.peers {
            writeln!(text, "| | | | {peer} | {} |", number(*value))?;
        }
    }
    writeln!(text)?;
    Ok(())
}

fn hot_paths(text: &mut String, paths: &[HotPath]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Instructions of hot paths\n\n| path | instructions | for each | what |\n|---|---:|---|---|")?;
    for path in paths {
        let count = path.instructions.map_or("–".to_owned(), |count| format!("{count:.0}"));
        writeln!(text, "| {} | {count} | {} | {} |", path.name, path.each, path.note)?;
    }
    writeln!(text)?;
    Ok(())
}

fn details(text: &mut String, rows: &[Row]) -> Result<()> {
    writeln!(text, "## Conditions")?;
    for row in rows {
        writeln!(text, "\n**{} {}**: {}.", row.id, row.name, row.conditions)?;
        if !row.note.is_empty() {
            writeln!(text, "{}.", row.note)?;
        }
        if let Some(bound) = bounds::of(&row.id).filter(|_| !row.met) {
            writeln!(text, "*What bounds it:* {bound}.")?;
        }
        let parts: Vec<String> =
            row.parts.iter().map(|(name, part)| format!("{name} {}", number(Some(*part)))).collect();
        if !parts.is_empty() {
            writeln!(text, "({})", parts.join(", "))?;
        }
    }
    Ok(())
}
