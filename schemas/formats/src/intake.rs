//! The door: what every file must be before a reader looks at it - not empty, not too large, and a text.

use holdfast_domain::limits::IMPORT_BYTES_MAX;

use crate::error::FormatError;

/// What a file of another kind starts with, and what to tell people about it.
const OTHERS: [(&[u8], &str); 11] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`",
    ),
    (b"\xff\xfe", "text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16; save it as UTF-8"),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet; unpack it, or save it as CSV"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document; save it as CSV"),
    (b"%PDF", "a PDF"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "a program"),
];

/// Where a text is searched for NUL bytes, which no text has at its start.
const BINARY_PROBE_BYTES: usize = 512;

/// The file without its byte order mark, if it can be a text.
pub(crate) fn text<'a>(bytes: &'a [u8], expected: &'static str) -> Result<&'a [u8], FormatError> {
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(FormatError::TooLarge { bytes: bytes.len(), max: IMPORT_BYTES_MAX });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(FormatError::Empty { expected });
    }
    if let Some((_, found)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(FormatError::OtherKind { expected, found });
    }
    // FIT has its sign at byte 8, after lengths and versions.
    if bytes.get(8..12) == Some(b".FIT") {
        return Err(FormatError::OtherKind { expected, found: "a Garmin FIT file; convert it to GPX" });
    }
    if bytes.iter().take(BINARY_PROBE_BYTES).any(|&b| b == 0) {
        return Err(FormatError::OtherKind { expected, found: "binary data" });
    }
    Ok(bytes)
}

/// The same for a table, which does not start as JSON or XML do either.
pub(crate) fn table<'a>(bytes: &'a [u8], expected: &'static str) -> Result<&'a [u8], FormatError> {
    let bytes = text(bytes, expected)?;
    match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[') => Err(FormatError::OtherKind { expected, found: "JSON; export it as CSV" }),
        Some(b'<') => Err(FormatError::OtherKind { expected, found: "XML or a web page; export it as CSV" }),
        _ => Ok(bytes),
    }
}
