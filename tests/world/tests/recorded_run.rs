//! Fear: a failed run tells only that it failed.

use std::io::Write;
use std::sync::{Arc, Mutex};

use holdfast_world::craft::in_words;
use holdfast_world::life::live;
use holdfast_world::record::{Line, Recorder};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_run_is_written_down_line_by_line_and_recording_changes_nothing() {
    let paper = Paper::default();
    let recorded = live(7, Some(Recorder::new(paper.clone())));
    assert_eq!(recorded, live(7, None));
    let text = String::from_utf8(paper.0.lock().expect("one thread").clone()).expect("text");
    let lines: Vec<Line> = text.lines().map(|line| Line::decode(line).expect("a line")).collect();
    assert!(lines.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
    for (line, text) in lines.iter().zip(text.lines()) {
        assert_eq!(line.encode(), text);
    }
    let packs = lines.iter().filter(|line| line.kind == "send" && in_words(&line.frame).starts_with("pack "));
    assert!(packs.count() > 10, "packs are told in words");
}
