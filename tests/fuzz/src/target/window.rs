//! Bytes of a stream of a peer, which may have packed them against anything.

use holdfast_domain::limits::{SMALL_FRAME_BYTES_MAX, WINDOW_BYTES};
use holdfast_transport::window::{LengthSoFar, Window};

/// Reads frames until one is bad or the stream ends.
pub(super) fn stream(mut bytes: &[u8]) {
    let mut window = Window::default();
    let mut so_far = LengthSoFar::default();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        let length = match so_far.take(*first) {
            Ok(None) => continue,
            Ok(Some(length)) => length,
            Err(_) => return,
        };
        so_far = LengthSoFar::default();
        let Some((said, rest)) = bytes.split_at_checked(length.bytes) else { return };
        bytes = rest;
        let Ok(frame) = window.read(length.packed, said.to_vec()) else { return };
        assert!(!length.packed || frame.len() <= SMALL_FRAME_BYTES_MAX, "nothing unpacks to more than a small frame");
        assert!(window.bytes() <= WINDOW_BYTES, "no peer makes a window grow");
        let mut again = Vec::new();
        window.clone().write(&frame, &mut again);
        assert!(again.len() <= frame.len() + 4, "what was read can be said");
    }
}

/// Words that come again, on a stream.
pub(super) fn streams() -> Vec<Vec<u8>> {
    let said = |times: u32| {
        let (mut window, mut out) = (Window::default(), Vec::new());
        for number in 0..times {
            let frame = format!("created_ms number priority status title: relieve crew at gate {}", number * 37 % 90);
            window.write(frame.as_bytes(), &mut out);
        }
        out
    };
    [1, 2, 3, 20].map(said).to_vec()
}
