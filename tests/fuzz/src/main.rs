//! A smoke run: every target on its kept crashers, then on mutations of its seeds, all drawn from one number.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use holdfast_fuzz::target::{ALL, Target};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Feeds random and mutated inputs to every fuzz target. A panic is a finding: keep its input in `tests/fuzz/crashers`.
#[derive(Debug, Parser)]
struct Args {
    /// Inputs for each target.
    #[arg(long, default_value_t = 20_000)]
    inputs: u64,
    /// What all inputs are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the target of this name.
    #[arg(long)]
    target: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    for target in ALL.iter().filter(|target| args.target.as_deref().is_none_or(|name| name == target.name)) {
        let start = Instant::now();
        let kept = replay_crashers(target)?;
        mutate(target, args.inputs, args.seed);
        println!(
            "fuzz {:<8} {} inputs, {kept} kept crashers, {:.1} s",
            target.name,
            args.inputs,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn replay_crashers(target: &Target) -> Result<usize> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crashers").join(target.name);
    if !folder.is_dir() {
        return Ok(0);
    }
    let mut kept = 0;
    for file in std::fs::read_dir(folder)? {
        (target.run)(&std::fs::read(file?.path())?);
        kept += 1;
    }
    Ok(kept)
}

fn mutate(target: &Target, inputs: u64, seed: u64) {
    let seeds = (target.seeds)();
    for number in 0..inputs {
        let mut rng = ChaCha12Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let mut bytes = seeds[rng.next_u32() as usize % seeds.len()].clone();
        for _ in 0..rng.next_u32() % 6 {
            mutate_once(&mut bytes, &mut rng);
        }
        let run = target.run;
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        if outcome.is_err() {
            let file = std::env::temp_dir().join(format!("holdfast-fuzz-{}-{seed}-{number}", target.name));
            let kept = std::fs::write(&file, &bytes).is_ok();
            eprintln!(
                "target {} fails on input {number} of seed {seed} (kept: {kept}, {})",
                target.name,
                file.display()
            );
            std::process::exit(1);
        }
    }
}

fn mutate_once(bytes: &mut Vec<u8>, rng: &mut ChaCha12Rng) {
    let place = rng.next_u32() as usize % bytes.len().max(1);
    match rng.next_u32() % 6 {
        0 if !bytes.is_empty() => bytes[place] ^= 1 << (rng.next_u32() % 8),
        1 if !bytes.is_empty() => bytes[place] = rng.next_u32() as u8,
        2 => bytes.truncate(place),
        3 => bytes.insert(place.min(bytes.len()), rng.next_u32() as u8),
        4 => {
            let end = (place + 1 + rng.next_u32() as usize % 16).min(bytes.len());
            let piece = bytes[place.min(end)..end].to_vec();
            bytes.splice(place.min(bytes.len())..place.min(bytes.len()), piece);
        }
        _ => {
            let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
            bytes.splice(place.min(bytes.len())..place.min(bytes.len()), huge);
        }
    }
}
