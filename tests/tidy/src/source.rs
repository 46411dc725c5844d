//! Rust source as far as the rules need it: code without comments and texts, and where functions begin and end.

/// The code with comments, strings and character literals blanked out; lines and columns stay.
pub fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => line_comment(bytes, at),
            [b'/', b'*', ..] => block_comment(bytes, at),
            [b'"', ..] => string(bytes, at + 1),
            [b'r', b'"' | b'#', ..] if !in_word(bytes, at) => raw_string(bytes, at + 1).unwrap_or(at),
            [b'\'', ..] => character(bytes, at),
            _ => at,
        };
        if end > at {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn in_word(bytes: &[u8], at: usize) -> bool {
    // `br"…"` is a raw string, too; any other letter before makes it a name.
    let before = |back: usize| at.checked_sub(back).map(|place| bytes[place]);
    let letter = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if matches!(before(1), Some(b'b' | b'c')) { letter(before(2)) } else { letter(before(1)) }
}

fn line_comment(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|&&b| b == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    let start = at + hashes + 1;
    let length = bytes[start..].windows(close.len()).position(|window| window == close)?;
    Some(start + length + close.len())
}

/// The end of a character literal; `at` itself if it is a lifetime.
fn character(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        return bytes[at + 3..].iter().position(|&b| b == b'\'').map_or(at, |length| at + length + 4);
    }
    // One character of up to four bytes, then the quote.
    let text = String::from_utf8_lossy(&bytes[(at + 1).min(bytes.len())..bytes.len().min(at + 5)]);
    let width = text.chars().next().map_or(0, char::len_utf8);
    if bytes.get(at + 1 + width) == Some(&b'\'') { at + width + 2 } else { at }
}

/// A function: its name, the line it begins on and how many lines it has to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// Lines from there to its closing brace.
    pub lines: usize,
}

/// Every function with a body in code that has passed [`code_only`].
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begins = code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !begins || name.is_empty() {
            continue;
        }
        if let Some(length) = body_end(&code[at..]) {
            let line = code[..at].matches('\n').count() + 1;
            found.push(Function { name, line, lines: code[at..at + length].matches('\n').count() + 1 });
        }
    }
    found
}

/// Length up to the closing brace of the first body; `None` if a `;` ends the item before.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            ';' if braces == 0 && others == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether code uses this path or name as whole words, such as `tokio` or `std::fs`; for paths of `std` also in groups,
/// `use std::{fs, io}`.
pub fn uses(code: &str, path: &str) -> bool {
    let word = |text: &str, name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !is_part(text[..at].chars().next_back()) && !is_part(text[at + name.len()..].chars().next())
        })
    };
    let grouped = path.strip_prefix("std::").is_some_and(|name| {
        code.match_indices("std::{").any(|(at, _)| {
            let group = &code[at..];
            word(&group[..group.find(';').unwrap_or(group.len())], name)
        })
    });
    word(code, path) || grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_and_texts_are_no_code() {
        let source =
            "let a = \"tokio\"; // tokio\n/* tokio /* tokio */ */ let c = '\"'; let r = r#\"tokio\"#; b\"tokio\"";
        assert!(!uses(&code_only(source), "tokio"), "{}", code_only(source));
        assert!(uses(&code_only("fn f<'a>(x: &'a str) { tokio::spawn(x) }"), "tokio"));
        assert!(!uses("my_tokio tokio_x", "tokio"));
        assert!(uses("use std::{fs, io};", "std::fs") && !uses("use std::{io}; fs", "std::fs"));
    }

    #[test]
    fn functions_are_measured_to_their_brace() {
        let source =
            "trait T {\n fn none();\n fn array() -> [u8; 3] {\n  [1, 2, 3]\n }\n}\nfn end() {\n '{';\n \"}\";\n}\n";
        let found = functions(&code_only(source));
        let sizes: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(sizes, [("array", 3, 3), ("end", 7, 4)]);
    }
}
