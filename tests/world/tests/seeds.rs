//! Fear: a run that failed cannot be repeated; and the thing nobody thought of. Many seeds, everything at once.

use std::fs::File;
use std::io::BufWriter;

use holdfast_world::life::live;
use holdfast_world::record::Recorder;

/// Seeds of an ordinary run; `HOLDFAST_WORLD_SEEDS` asks for more, `HOLDFAST_WORLD_SEED` for one alone.
const SEEDS: u64 = 20;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`; give a number")))
}

/// With `HOLDFAST_WORLD_RECORD` the run is written to that file, for the example `step`.
fn recorder() -> Option<Recorder> {
    let path = std::env::var_os("HOLDFAST_WORLD_RECORD")?;
    Some(Recorder::new(BufWriter::new(File::create(path).expect("the record of the run can be written"))))
}

#[test]
fn every_seed_agrees_in_the_end_and_repeats_itself() {
    let seeds = match number("HOLDFAST_WORLD_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HOLDFAST_WORLD_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("seed {seed}");
        let first = live(seed, recorder());
        let second = live(seed, None);
        assert_eq!(first, second, "seed {seed} does not repeat itself");
    }
}
