//! Commands that come as a crowd share one fsync: flash wears out by the number of them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// So many commands in one step are a crowd: more of it is on its way.
const CROWD_MIN: usize = 8;
/// A crowd is waited for so long at most, and only while one follows the other within the pause.
const GATHER_MAX: Duration = Duration::from_millis(40);
const GATHER_PAUSE: Duration = Duration::from_millis(12);

/// Whether there is a crowd, by the last step.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    commands: usize,
}

impl Crowd {
    /// A step took so many commands.
    pub(crate) fn was(&mut self, commands: usize) {
        self.commands = commands;
    }

    /// Waits a moment for more of a crowd, `most` at most; not at all where there is none.
    pub(crate) async fn gather<T>(&self, requests: &mut mpsc::Receiver<T>, most: usize) -> Vec<T> {
        let mut gathered = Vec::new();
        if self.commands < CROWD_MIN {
            return gathered;
        }
        let until = Instant::now() + GATHER_MAX;
        while gathered.len() < most {
            let Ok(Ok(Some(request))) = timeout_at(until, timeout(GATHER_PAUSE, requests.recv())).await else { break };
            gathered.push(request);
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is gathered after a step of so many commands, and how long that takes, while one comes every so often.
    async fn gathered(commands: usize, every: Duration, most: usize) -> (usize, Duration) {
        let (sender, mut requests) = mpsc::channel(1_000);
        let coming = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if sender.send(()).await.is_err() {
                    return;
                }
            }
        });
        let mut crowd = Crowd::default();
        crowd.was(commands);
        let begun = Instant::now();
        let count = crowd.gather(&mut requests, most).await.len();
        let took = begun.elapsed();
        coming.abort();
        (count, took)
    }

    #[tokio::test(start_paused = true)]
    async fn who_writes_alone_waits_for_nobody() {
        for commands in 0..CROWD_MIN {
            assert_eq!(gathered(commands, Duration::from_millis(1), 100).await, (0, Duration::ZERO), "{commands}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_waits_forty_milliseconds_at_most() {
        let (count, took) = gathered(CROWD_MIN, Duration::from_millis(1), 1_000).await;
        assert!((39..=40).contains(&count), "{count}");
        // Timers of tokio go by the millisecond.
        assert!(took >= GATHER_MAX && took <= GATHER_MAX + Duration::from_millis(1), "{took:?}");
        let (count, took) = gathered(200, Duration::from_millis(1), 5).await;
        assert!(count == 5 && took <= Duration::from_millis(6), "a full step waits for no more: {count} in {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_of_a_crowd_waits_a_pause_and_the_next_alone_not_at_all() {
        let (count, took) = gathered(CROWD_MIN, Duration::from_millis(50), 1_000).await;
        assert!(count == 0 && took >= GATHER_PAUSE && took <= GATHER_PAUSE + Duration::from_millis(1), "{took:?}");
        // That step took one command, so it leaves no crowd behind.
        assert_eq!(gathered(1, Duration::from_millis(1), 1_000).await, (0, Duration::ZERO));
    }
}
