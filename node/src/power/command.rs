//! A command that knows what the node runs on: a vehicle's bus, a battery monitor, a relay on the ignition.

use std::process::Stdio;
use std::time::Duration;

use holdfast_domain::power::PowerReading;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// What a command may print, bytes; one JSON object is a tenth of this.
const OUTPUT_BYTES_MAX: u64 = 1_024;

/// What a pipe gives; of more than the bound, the beginning.
async fn output(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before a pipe broke still tells something.
        pipe.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut bytes).await.ok();
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Runs the command, without a shell and without input, and reads what it prints.
pub(super) async fn ask(command: &[String], patience: Duration) -> Result<PowerReading, String> {
    let name = command.join(" ");
    let (program, arguments) = command.split_first().ok_or_else(|| "power_command is empty".to_owned())?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("power_command `{name}` cannot be run ({error}); check its path and permissions"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let run = async { tokio::join!(output(out), output(err), child.wait()) };
    let Ok((said, complained, ended)) = tokio::time::timeout(patience, run).await else {
        let seconds = patience.as_secs_f32();
        return Err(format!("power_command `{name}` took over {seconds} s and was ended; see command_timeout_s"));
    };
    let ended = ended.map_err(|error| format!("power_command `{name}` was lost ({error})"))?;
    if said.len() as u64 > OUTPUT_BYTES_MAX {
        return Err(format!("power_command `{name}` printed over {OUTPUT_BYTES_MAX} bytes; one JSON object is enough"));
    }
    if !ended.success() {
        let why = complained.lines().next().unwrap_or("it said nothing");
        return Err(format!("power_command `{name}` failed ({ended}): {why}"));
    }
    let wrong = |fault: String| {
        let shown: String = said.chars().take(80).collect();
        format!(
            "power_command `{name}` printed `{shown}`: {fault}; it must print one JSON object such as \
             {{\"source\": \"battery\", \"percent\": 41, \"ignition\": false}}"
        )
    };
    let reading: PowerReading = serde_json::from_str(&said).map_err(|error| wrong(error.to_string()))?;
    match reading.percent {
        Some(percent @ 101..) => Err(wrong(format!("{percent} percent is more than a battery has"))),
        _ => Ok(reading),
    }
}
