//! The sending half of a connection: a stream and a queue per class, and a short queue of what only counts while it is new.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_domain::frame::Bye;
use holdfast_domain::limits::{LINK_QUEUE_BYTES_MAX, LINK_QUEUE_FRAMES_MAX, SMALL_FRAME_BYTES_MAX};
use holdfast_domain::scope::Class;
use quinn::{Connection, SendStream, VarInt, WriteError};
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
    classes: BTreeMap<Class, Queue>,
    newest: Option<Arc<Newest>>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// What waits for one stream.
struct Queue {
    frames: mpsc::Sender<Vec<Vec<u8>>>,
    waiting: Waiting,
}

/// How much waits.
#[derive(Clone, Default)]
struct Waiting {
    /// In all classes of the link.
    bytes: Arc<AtomicUsize>,
    /// In one class.
    frames: Arc<AtomicUsize>,
}

impl Outbox {
    pub(crate) fn new(connection: Connection, pulse: Arc<Pulse>) -> Self {
        Self { connection, pulse, classes: BTreeMap::new(), newest: None, waiting_bytes: Arc::default() }
    }

    /// Queues frames that go down together; the first of a class open its stream.
    pub(crate) fn send(&mut self, class: Class, frames: Vec<Vec<u8>>) -> Result<(), Slow> {
        let bytes = frames.iter().map(Vec::len).sum::<usize>();
        if self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > LINK_QUEUE_BYTES_MAX {
            return Err(Slow);
        }
        let queue = self.classes.entry(class).or_insert_with(|| {
            let (queue, queued) = mpsc::channel(LINK_QUEUE_FRAMES_MAX);
            let waiting = Waiting { bytes: Arc::clone(&self.waiting_bytes), ..Waiting::default() };
            tokio::spawn(write_class(self.connection.clone(), class, queued, waiting.clone()));
            Queue { frames: queue, waiting }
        });
        // However many are queued at once: what counts is whether those before them were taken.
        if queue.waiting.frames.fetch_add(frames.len(), Ordering::Relaxed) > LINK_QUEUE_FRAMES_MAX {
            return Err(Slow);
        }
        queue.frames.try_send(frames).map_err(|_| Slow)
    }

    /// Queues a frame as a datagram; one that no datagram holds goes by the stream of P1.
    pub(crate) fn send_newest(&mut self, bytes: Vec<u8>) -> Result<(), Slow> {
        // An empty datagram is a beacon and says nothing.
        if bytes.is_empty() || self.connection.max_datagram_size().is_none_or(|most| bytes.len() > most) {
            return self.send(Class::P1, vec![bytes]);
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
async fn write_class(connection: Connection, class: Class, mut queued: mpsc::Receiver<Vec<Vec<u8>>>, waiting: Waiting) {
    let Ok(mut stream) = connection.open_uni().await else { return };
    // Quinn sends the stream of the highest number first.
    if stream.set_priority(-(class as i32)).is_err() {
        return;
    }
    let mut window = Window::default();
    while let Some(mut frames) = queued.recv().await {
        while let Ok(more) = queued.try_recv() {
            frames.extend(more);
        }
        if write_frames(&mut stream, &mut window, frames, &waiting).await.is_err() {
            return;
        }
    }
}

/// Small frames go down together, or each would leave in a packet of its own.
async fn write_frames(
    stream: &mut SendStream,
    window: &mut Window,
    frames: Vec<Vec<u8>>,
    waiting: &Waiting,
) -> Result<(), WriteError> {
    let mut out = Vec::new();
    let mut frames = frames.into_iter().peekable();
    while let Some(frame) = frames.next() {
        window.write(&frame, &mut out);
        let is_small = frame.len() <= SMALL_FRAME_BYTES_MAX;
        if !is_small || out.len() >= TOGETHER_BYTES || frames.peek().is_none() {
            stream.write_all(&out).await?;
            out.clear();
        }
        if !is_small {
            stream.write_all(&frame).await?;
        }
        waiting.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        waiting.frames.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(())
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
