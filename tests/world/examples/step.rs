//! Steps through a recorded run: `step FILE [--node NAME] [--link N] [--kind KIND] [--from MS] [--until MS] [--pause]`.
//!
//! Prints each event and effect on a line of its own, frames in words; with `--pause` it waits for Enter after each.
//! Record a run with `HOLDFAST_WORLD_SEED=7 HOLDFAST_WORLD_RECORD=FILE cargo test -p holdfast-world --test seeds`.

use std::io::{BufRead, BufReader, Write};

use holdfast_world::craft::in_words;
use holdfast_world::record::Line;

const USAGE: &str = "step FILE [--node NAME] [--link N] [--kind KIND] [--from MS] [--until MS] [--pause]";

#[derive(Default)]
struct Wanted {
    node: Option<String>,
    link: Option<u64>,
    kind: Option<String>,
    from_ms: u64,
    until_ms: Option<u64>,
    pause: bool,
}

impl Wanted {
    fn parse(args: &mut impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self::default();
        while let Some(name) = args.next() {
            if name == "--pause" {
                wanted.pause = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{name} wants a value: {USAGE}"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name} wants a number, not `{value}`"));
            match name.as_str() {
                "--node" => wanted.node = Some(value),
                "--link" => wanted.link = Some(number()?),
                "--kind" => wanted.kind = Some(value),
                "--from" => wanted.from_ms = number()?,
                "--until" => wanted.until_ms = Some(number()?),
                _ => return Err(format!("{name} is not known: {USAGE}")),
            }
        }
        Ok(wanted)
    }

    fn takes(&self, line: &Line) -> bool {
        self.node.as_ref().is_none_or(|node| *node == line.node)
            && self.link.is_none_or(|link| line.link == Some(link))
            && self.kind.as_ref().is_none_or(|kind| *kind == line.kind)
            && line.at_us >= self.from_ms * 1_000
            && self.until_ms.is_none_or(|until_ms| line.at_us <= until_ms * 1_000)
    }
}

fn show(number: usize, line: &Line) {
    let (s, us) = (line.at_us / 1_000_000, line.at_us % 1_000_000);
    let (way, link) = (if line.inward { "<-" } else { "->" }, line.link.map_or(String::new(), |l| format!(" #{l}")));
    let frame = if line.frame.is_empty() {
        String::new()
    } else {
        format!(" {} B: {}", line.frame.len(), in_words(&line.frame))
    };
    println!("{number:>7} {s:>6}.{us:06} {} {way} {}{link} {}{frame}", line.node, line.kind, line.words);
}

fn run() -> Result<(), String> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or(USAGE)?;
    let wanted = Wanted::parse(&mut args)?;
    let file = std::fs::File::open(&path).map_err(|error| format!("{path}: {error}"))?;
    for (index, text) in BufReader::new(file).lines().enumerate() {
        let text = text.map_err(|error| format!("{path}: {error}"))?;
        let line =
            Line::decode(&text).ok_or_else(|| format!("{path}: line {} is no line of a recorded run", index + 1))?;
        if !wanted.takes(&line) {
            continue;
        }
        show(index + 1, &line);
        if wanted.pause {
            std::io::stdout().flush().map_err(|error| error.to_string())?;
            std::io::stdin().read_line(&mut String::new()).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn main() {
    if let Err(fault) = run() {
        eprintln!("{fault}");
        std::process::exit(2);
    }
}
