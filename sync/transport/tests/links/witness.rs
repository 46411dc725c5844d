//! Somebody who writes down what is logged while a test runs on one thread.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Lines by the thread that said them. One for all tests, since a place in the code that was first passed where nobody
/// listens may stay silent for those who do.
static LINES: OnceLock<Lines> = OnceLock::new();

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

struct Line(String);

/// What its thread said.
pub(crate) struct Witness {
    lines: Lines,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        write!(self.0, "{field}={value:?} ").ok();
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let is_ours = event.metadata().target().starts_with("holdfast");
        if is_ours && *event.metadata().level() <= Level::WARN {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.by_thread().entry(this_thread()).or_default().push(line.0);
        }
    }
}

impl Lines {
    fn by_thread(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn this_thread() -> String {
    format!("{:?}", thread::current().id())
}

impl Witness {
    /// Listens to this thread. Whoever comes first begins to listen to all.
    pub(crate) fn new() -> Self {
        let lines = LINES.get_or_init(|| {
            let lines = Lines::default();
            let listener = Registry::default().with(lines.clone());
            tracing::subscriber::set_global_default(listener).expect("nobody else listens");
            tracing::callsite::rebuild_interest_cache();
            lines
        });
        Self { lines: lines.clone() }
    }

    /// The lines of this thread that contain a text.
    pub(crate) fn heard(&self, text: &str) -> Vec<String> {
        let by_thread = self.lines.by_thread();
        by_thread.get(&this_thread()).into_iter().flatten().filter(|line| line.contains(text)).cloned().collect()
    }
}
