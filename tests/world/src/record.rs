//! A run written down: what went into each node and what came out, with virtual time, one line each.
//!
//! A line has seven fields with tabs between them: microseconds, node, `in` or `out`, kind, connection (or `-`), and
//! either bytes of a frame in hex or words. Ticks are left out.

use std::io::Write;

use holdfast_driver::effect::Effect;
use holdfast_driver::event::Event;

/// Where a run is written.
pub struct Recorder(Box<dyn Write>);

/// One line of a recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Virtual time, microseconds.
    pub at_us: u64,
    /// Name of the node.
    pub node: String,
    /// Whether it went in, rather than came out.
    pub inward: bool,
    /// Word for the event or effect.
    pub kind: String,
    /// The connection, if it is about one.
    pub link: Option<u64>,
    /// The frame, if it is one.
    pub frame: Vec<u8>,
    /// Words about it.
    pub words: String,
}

impl Recorder {
    /// Writes to `out`. A run whose record cannot be written fails.
    pub fn new(out: impl Write + 'static) -> Self {
        Self(Box::new(out))
    }

    pub(crate) fn events(&mut self, at_us: u64, node: &str, events: &[Event]) {
        for event in events {
            let (kind, link, frame, words) = match event {
                Event::Tick => continue,
                Event::Up { link, address, .. } => ("up", Some(link.0), &[][..], format!("to {address}")),
                Event::Down { link, partials } => {
                    ("down", Some(link.0), &[][..], format!("{} frames cut in two", partials.len()))
                }
                Event::Measured { link, rate_bps, rtt_us, lost_permille } => {
                    let rate_bps = rate_bps.unwrap_or(0);
                    let words = format!("{rate_bps} bit/s, {rtt_us} us there and back, {lost_permille} in 1,000 lost");
                    ("measured", Some(link.0), &[][..], words)
                }
                Event::Silent { link, silent } => ("silent", Some(link.0), &[][..], silent.to_string()),
                Event::Frame { link, bytes } => ("frame", Some(link.0), &bytes[..], String::new()),
                Event::Command(_, command) => ("command", None, &[][..], format!("{command:?}")),
            };
            let (inward, node, kind) = (true, node.to_owned(), kind.to_owned());
            self.write(&Line { at_us, node, inward, kind, link, frame: frame.to_vec(), words });
        }
    }

    pub(crate) fn effects(&mut self, at_us: u64, node: &str, effects: &[Effect]) {
        for effect in effects {
            let (kind, link, frame, words) = match effect {
                Effect::Reply(_, reply) => ("reply", None, &[][..], format!("{reply:?}")),
                Effect::Send { link, class, carriage, bytes } => {
                    ("send", Some(link.0), &bytes[..], format!("{class:?} {carriage:?}"))
                }
                Effect::Close { link, reason } => ("close", Some(link.0), &[][..], reason.as_str().to_owned()),
                Effect::Learned(whereabouts) => ("learned", None, &[][..], format!("{whereabouts:?}")),
                Effect::Changed(rev) => ("changed", None, &[][..], format!("revision {rev}")),
                Effect::Notice(notice) => ("notice", None, &[][..], format!("{notice:?}")),
                Effect::Fatal(fault) => ("fatal", None, &[][..], fault.clone()),
            };
            let (inward, node, kind) = (false, node.to_owned(), kind.to_owned());
            self.write(&Line { at_us, node, inward, kind, link, frame: frame.to_vec(), words });
        }
    }

    fn write(&mut self, line: &Line) {
        writeln!(self.0, "{}", line.encode()).expect("the record of the run can be written");
    }
}

impl Line {
    /// The line as it is written, without its end.
    pub fn encode(&self) -> String {
        let link = self.link.map_or("-".to_owned(), |link| link.to_string());
        let frame = std::fmt::from_fn(|f| self.frame.iter().try_for_each(|byte| write!(f, "{byte:02x}")));
        let (way, words) = (if self.inward { "in" } else { "out" }, self.words.replace(['\t', '\n'], " "));
        format!("{}\t{}\t{way}\t{}\t{link}\t{frame}\t{words}", self.at_us, self.node, self.kind)
    }

    /// The line in `text`; `None` if it is none.
    pub fn decode(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('\t').collect();
        let &[at_us, node, way, kind, link, frame, words] = fields.as_slice() else { return None };
        let frame = (0..frame.len() / 2).map(|at| u8::from_str_radix(frame.get(2 * at..2 * at + 2)?, 16).ok());
        Some(Self {
            at_us: at_us.parse().ok()?,
            node: node.to_owned(),
            inward: way == "in",
            kind: kind.to_owned(),
            link: link.parse().ok(),
            frame: frame.collect::<Option<_>>()?,
            words: words.to_owned(),
        })
    }
}
