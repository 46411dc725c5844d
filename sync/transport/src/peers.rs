//! Peers that are dialled until they answer, and again when they are gone.

use std::time::Duration;

use crate::endpoint::{Transport, dial, proved_device};

const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A vehicle that comes into reach waits half of this on average.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Dials an address for ever, with growing and jittered pauses; ends if it turns out to be this node itself.
pub(crate) async fn keep_dialling(transport: Transport, address: String) {
    let mut wait = FIRST_WAIT;
    let mut known = None;
    loop {
        if known.is_some_and(|device| transport.has_link_with(device)) {
            tokio::time::sleep(jittered(LONGEST_WAIT)).await;
            continue;
        }
        match reach(&transport, &address).await {
            Ok(connection) => {
                known = proved_device(&connection);
                let begun = tokio::time::Instant::now();
                if transport.carry(connection, true).await.is_none() {
                    tracing::info!(address, "this address is this node itself; it is not dialled again");
                    return;
                }
                // A link that ends at once, such as a refused one, must not be dialled in a storm.
                if begun.elapsed() > LONGEST_WAIT {
                    wait = FIRST_WAIT;
                }
            }
            Err(fault) => tracing::debug!(address, fault, "a peer does not answer"),
        }
        tokio::time::sleep(jittered(wait)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn reach(transport: &Transport, address: &str) -> Result<quinn::Connection, String> {
    let mut last = "the name has no address".to_owned();
    for target in tokio::net::lookup_host(address).await.map_err(|error| error.to_string())? {
        match dial(transport, target).await {
            Ok(connection) => return Ok(connection),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

/// Between half of `wait` and all of it, so that nodes that lost one peer together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without randomness the full wait is as good.
    getrandom::fill(&mut byte).map_or(wait, |()| wait.mul_f64(0.5 + f64::from(byte[0]) / 512.0))
}
