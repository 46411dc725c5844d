//! `init`, `invite`, `enroll`: how a device comes to belong to an org.

use std::io::Read;

use anyhow::{Context, Result};
use holdfast_driver::data_dir::{DataDir, Joined};
use serde_json::json;

use crate::cli::Global;
use crate::cli::render;

/// Founds a new org on this device.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// Name of this device, shown to people, such as `hub`
    #[arg(long)]
    name: String,
}

/// Makes an invitation; the node must run and hold the authority.
#[derive(Debug, clap::Args)]
pub struct Invite {
    /// Name that the device will have, such as `engine-7`
    #[arg(long)]
    name: String,
    /// What it is to be: a `node`, or another `hub`, which may enroll no devices but speaks for the command post
    #[arg(long, default_value = "node", value_parser = ["node", "hub"])]
    role: String,
    /// How long the invitation holds, such as `30m`, `24h` or `7d`
    #[arg(long, default_value = "24h", value_parser = seconds)]
    life: u64,
}

/// Joins an org.
#[derive(Debug, clap::Args)]
pub struct Enroll {
    /// The one-time token; `-` reads it from standard input, which keeps it out of the shell's history
    token: String,
}

fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time; give a number and s, m, h or d, such as 24h");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|life| *life > 0).ok_or_else(wrong)
}

fn tell(global: &Global, joined: &Joined, what: &str) {
    if global.json {
        let value = json!({"org": joined.org, "device": joined.device, "name": joined.name, "role": joined.role, "peer": joined.peer});
        println!("{value}");
        return;
    }
    println!("{what}: this device is {} ({}), org {}", joined.name, joined.role.as_str(), joined.org);
    println!("next: run, with the same --data {}", global.data.display());
}

/// `init`.
pub fn init(global: &Global, args: &Init) -> Result<()> {
    let dir = DataDir::new(&global.data);
    let joined = holdfast_driver::data_dir::found(&dir, &args.name)?;
    tell(global, &joined, "founded a new org");
    if !global.json {
        println!("keep a copy of {} offline: without it nobody can enroll", dir.authority().display());
    }
    Ok(())
}

/// `invite`.
pub fn invite(global: &Global, args: &Invite) -> Result<()> {
    let body = json!({"name": args.name, "role": args.role, "life_s": args.life});
    let invitation = global.client()?.post("/invitations", &body)?;
    if global.json {
        println!("{invitation}");
        return Ok(());
    }
    println!("{}", render::text(&invitation, "token"));
    let until = render::time(invitation["expires_ms"].as_u64().unwrap_or(0));
    eprintln!("good once, until {until}; on the device: holdfast --data DIR enroll TOKEN");
    Ok(())
}

/// `enroll`.
pub fn enroll(global: &Global, args: &Enroll) -> Result<()> {
    let mut token = args.token.clone();
    if token == "-" {
        token.clear();
        std::io::stdin().take(4_096).read_to_string(&mut token).context("no token came on standard input")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let joined = runtime.block_on(holdfast_driver::data_dir::enrol(&DataDir::new(&global.data), &token))?;
    tell(global, &joined, "enrolled");
    Ok(())
}
