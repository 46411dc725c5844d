//! The sending half of a connection: a stream and a queue per class, and a short queue of what only counts while it is new.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_domain::frame::Bye;
use holdfast_domain::limits::{LINK_QUEUE_BYTES_MAX, LINK_QUEUE_FRAMES_MAX, SMALL_FRAME_BYTES_MAX};
use holdfast_domain::scope::Class;
use quinn::{Connection, VarInt};
use tokio::sync::{Notify, mpsc};

use crate::pulse::Pulse;
use crate::window::Window;

/// A peer does not take what is sent: its queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer does not take what is sent")]
pub struct Slow;

/// Datagrams that wait for their turn; what is older than this many newer ones is out of date.
const NEWEST_MAX: usize = 16;
/// Small frames are gathered up to about this size before they are handed down.
const TOGETHER_BYTES: usize = 4_096;

/// Frames that only count while they are new.
#[derive(Debug, Default)]
struct Newest {
    queue: Mutex<VecDeque<Vec<u8>>>,
    filled: Notify,
}

impl Newest {
    fn push(&self, bytes: Vec<u8>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while queue.len() >= NEWEST_MAX {
            queue.pop_front();
        }
        queue.push_back(bytes);
        self.filled.notify_one();
    }

    fn pop(&self) -> Option<Vec<u8>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// The sending half of a connection.
pub(crate) struct Outbox {
    pub(crate) connection: Connection,
    pub(crate) pulse: Arc<Pulse>,
    classes: BTreeMap<Class, mpsc::Sender<Vec<u8>>>,
    newest: Option<Arc<Newest>>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Outbox {
    pub(crate) fn new(connection: Connection, pulse: Arc<Pulse>) -> Self {
        Self { connection, pulse, classes: BTreeMap::new(), newest: None, waiting_bytes: Arc::default() }
    }

    /// Queues a frame; the first of a class opens its stream.
    pub(crate) fn send(&mut self, class: Class, bytes: Vec<u8>) -> Result<(), Slow> {
        let size = bytes.len();
        if self.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size > LINK_QUEUE_BYTES_MAX {
            return Err(Slow);
        }
        let queue = self.classes.entry(class).or_insert_with(|| {
            let (queue, frames) = mpsc::channel(LINK_QUEUE_FRAMES_MAX);
            tokio::spawn(write_class(self.connection.clone(), class, frames, Arc::clone(&self.waiting_bytes)));
            queue
        });
        queue.try_send(bytes).map_err(|_| Slow)
    }

    /// Queues a frame as a datagram; one that no datagram holds goes by the stream of P1.
    pub(crate) fn send_newest(&mut self, bytes: Vec<u8>) -> Result<(), Slow> {
        // An empty datagram is a beacon and says nothing.
        if bytes.is_empty() || self.connection.max_datagram_size().is_none_or(|most| bytes.len() > most) {
            return self.send(Class::P1, bytes);
        }
        let newest = self.newest.get_or_insert_with(|| {
            let newest = Arc::new(Newest::default());
            tokio::spawn(write_newest(self.connection.clone(), Arc::clone(&newest), Arc::clone(&self.pulse)));
            newest
        });
        newest.push(bytes);
        Ok(())
    }

    pub(crate) fn close(&self, reason: Bye) {
        self.connection.close(VarInt::from_u32(reason as u32), reason.as_str().as_bytes());
    }
}

/// Sends the frames of one class in order. Ends with its queue or its connection.
async fn write_class(
    connection: Connection,
    class: Class,
    mut frames: mpsc::Receiver<Vec<u8>>,
    waiting_bytes: Arc<AtomicUsize>,
) {
    let Ok(mut stream) = connection.open_uni().await else { return };
    // Quinn sends the stream of the highest number first.
    if stream.set_priority(-(class as i32)).is_err() {
        return;
    }
    let mut window = Window::default();
    let mut out = Vec::new();
    while let Some(mut frame) = frames.recv().await {
        let mut taken_bytes = frame.len();
        window.write(&frame, &mut out);
        // What waits goes down together, or each small frame would leave in a packet of its own.
        while frame.len() <= SMALL_FRAME_BYTES_MAX && out.len() < TOGETHER_BYTES {
            let Ok(next) = frames.try_recv() else { break };
            frame = next;
            taken_bytes += frame.len();
            window.write(&frame, &mut out);
        }
        let large = if frame.len() > SMALL_FRAME_BYTES_MAX { &frame[..] } else { &[] };
        let sent = async {
            stream.write_all(&out).await?;
            stream.write_all(large).await
        };
        if sent.await.is_err() {
            return;
        }
        out.clear();
        waiting_bytes.fetch_sub(taken_bytes, Ordering::Relaxed);
    }
}

/// Hands datagrams down one by one. Quinn sends them before any stream, so after each as much time is left to the streams
/// as it takes of the link: a flood of positions gets half of it at most.
async fn write_newest(connection: Connection, newest: Arc<Newest>, pulse: Arc<Pulse>) {
    loop {
        let Some(bytes) = newest.pop() else {
            tokio::select! {
                () = newest.filled.notified() => continue,
                _ = connection.closed() => return,
            }
        };
        let bits = bytes.len() as u64 * 8;
        if connection.send_datagram_wait(bytes.into()).await.is_err() && connection.close_reason().is_some() {
            return;
        }
        if let Some(rate_bps) = pulse.rate_bps() {
            tokio::time::sleep(Duration::from_secs_f64(2.0 * bits as f64 / rate_bps as f64)).await;
        }
    }
}
