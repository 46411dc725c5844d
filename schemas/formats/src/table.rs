//! Rows of comma-separated tables (RFC 4180), strict about quotes, so that one bad quote costs one row and not the rest.
//!
//! A row that cannot be right - text after a closing quote, a quote in an unquoted cell, a quote never closed, too few or
//! too many cells - is given as a fault with the line it begins on, and reading goes on at the very next line.

use std::borrow::Cow;

use holdfast_domain::limits::{IMPORT_COLUMNS_MAX, IMPORT_ROW_BYTES_MAX};

use crate::error::FormatError;
use crate::report::excerpt;

/// The cells of a row, or why it has none.
pub(crate) type Cells<'a> = Result<Vec<Cow<'a, str>>, String>;

/// Iterates over the rows after the head, as (line, cells); each row has as many cells as the head.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    rest: &'a [u8],
    line: u64,
    delimiter: u8,
    columns: usize,
}

/// A row as it stands in the file.
struct Raw<'a> {
    cells: Vec<Cow<'a, [u8]>>,
    bytes: usize,
    lines: u64,
}

impl<'a> Table<'a> {
    /// Reads the head; its names are trimmed.
    pub(crate) fn open(bytes: &'a [u8], delimiter: u8) -> Result<(Self, Vec<String>), FormatError> {
        let mut table = Self { rest: bytes, line: 1, delimiter, columns: 0 };
        let (line, cells) = table.next().unwrap_or((1, Err("there is none".to_owned())));
        let head: Vec<String> = cells
            .map_err(|fault| FormatError::Head { line, fault })?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        table.columns = head.len();
        Ok((table, head))
    }

    fn advance(&mut self, bytes: usize, lines: u64) {
        self.rest = &self.rest[bytes..];
        self.line += lines;
    }

    fn skip_blank_lines(&mut self) {
        while !self.rest.is_empty() {
            let end = line_end(self.rest);
            if !self.rest[..end].iter().all(u8::is_ascii_whitespace) {
                return;
            }
            self.advance(end, 1);
        }
    }

    fn cells(&self, raw: &Raw<'a>) -> Cells<'a> {
        let cells = raw.cells.iter().map(|cell| match cell {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes.clone()).map(Cow::Owned).ok(),
        });
        let cells: Option<Vec<_>> = cells.collect();
        let cells = cells.ok_or("the row is not UTF-8; save the file as UTF-8")?;
        if self.columns != 0 && cells.len() != self.columns {
            return Err(format!("the row has {} cells; the head has {}", cells.len(), self.columns));
        }
        Ok(cells)
    }
}

impl<'a> Iterator for Table<'a> {
    type Item = (u64, Cells<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank_lines();
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let read = raw_row(self.rest, self.delimiter);
        let cells = read.as_ref().map_err(Clone::clone).and_then(|raw| self.cells(raw));
        match (&cells, read) {
            (Ok(_), Ok(raw)) => self.advance(raw.bytes, raw.lines),
            // A row over several lines that came out wrong may be one stray quote: the lines after it get their chance.
            _ => self.advance(line_end(self.rest), 1),
        }
        Some((line, cells))
    }
}

/// How many lines end within these bytes.
pub(crate) fn line_ends(bytes: &[u8]) -> u64 {
    bytes.split(|&b| b == b'\n').skip(1).count() as u64
}

/// Length of the first line with its end.
fn line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| at + 1)
}

fn raw_row(bytes: &[u8], delimiter: u8) -> Result<Raw<'_>, String> {
    let mut raw = Raw { cells: Vec::new(), bytes: 0, lines: 1 };
    loop {
        let (cell, length) = match bytes.get(raw.bytes) {
            Some(b'"') => quoted(&bytes[raw.bytes..])?,
            _ => bare(&bytes[raw.bytes..], delimiter)?,
        };
        raw.lines += line_ends(&bytes[raw.bytes..raw.bytes + length]);
        raw.cells.push(cell);
        if raw.cells.len() > IMPORT_COLUMNS_MAX {
            return Err(format!("the row has over {IMPORT_COLUMNS_MAX} cells"));
        }
        raw.bytes += length;
        match &bytes[raw.bytes..] {
            [] => {
                raw.lines -= 1;
                return Ok(raw);
            }
            [b'\r', b'\n', ..] => raw.bytes += 2,
            [b'\n', ..] | [b'\r'] => raw.bytes += 1,
            [next, ..] if *next == delimiter => {
                raw.bytes += 1;
                continue;
            }
            after => {
                let after = String::from_utf8_lossy(&after[..line_end(after).min(80)]);
                return Err(format!(
                    "a closing quote is followed by `{}`; double a quote to keep it",
                    excerpt(after.trim_end())
                ));
            }
        }
        return Ok(raw);
    }
}

/// A cell that begins with a quote, and its length with both quotes.
fn quoted(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, usize), String> {
    let inside = &bytes[1..bytes.len().min(IMPORT_ROW_BYTES_MAX)];
    let mut doubled = false;
    let mut at = 0;
    while let Some(found) = inside[at..].iter().position(|&b| b == b'"') {
        let quote = at + found;
        if inside.get(quote + 1) != Some(&b'"') {
            let text = &inside[..quote];
            let cell = if doubled { Cow::Owned(undouble(text)) } else { Cow::Borrowed(text) };
            return Ok((cell, quote + 2));
        }
        doubled = true;
        at = quote + 2;
    }
    Err("a quote is opened and not closed".to_owned())
}

fn undouble(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(byte);
        if byte == b'"' {
            bytes.next();
        }
    }
    out
}

/// A cell without quotes, and its length.
fn bare(bytes: &[u8], delimiter: u8) -> Result<(Cow<'_, [u8]>, usize), String> {
    let end = bytes.iter().position(|&b| b == delimiter || b == b'\n').unwrap_or(bytes.len());
    let cell = &bytes[..end];
    let cell = if bytes.get(end) == Some(&delimiter) { cell } else { cell.strip_suffix(b"\r").unwrap_or(cell) };
    if cell.contains(&b'"') {
        let text = String::from_utf8_lossy(&cell[..cell.len().min(80)]);
        return Err(format!("a quote stands inside `{}`; quote the whole cell and double the quote", excerpt(&text)));
    }
    Ok((Cow::Borrowed(cell), cell.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let (table, head) = Table::open(text.as_bytes(), b',').expect("a head");
        let rows = table.map(|(line, cells)| match cells {
            Ok(cells) => format!("{line} {cells:?}\n"),
            Err(fault) => format!("{line} REJECTED {fault}\n"),
        });
        expected.assert_eq(&(format!("head {head:?}\n") + &rows.collect::<String>()));
    }

    #[test]
    fn lines_are_those_of_the_file_though_rows_span_several_and_lines_are_blank() {
        check(
            "a , b\r\n1,2\r\n\r\n\"3\nand more\",\"4 \"\"x\"\"\"\r\n5,6",
            &expect![[r#"
                head ["a", "b"]
                2 ["1", "2"]
                4 ["3\nand more", "4 \"x\""]
                6 ["5", "6"]
            "#]],
        );
    }

    #[test]
    fn a_stray_quote_costs_its_row_and_not_the_rest_of_the_file() {
        check(
            "a,b\n1,\"2\n3,\"4\"\n5,6\n7,8\"9\n10,\"11\"12\n13,14\n15,\"16",
            &expect![[r#"
                head ["a", "b"]
                2 REJECTED a closing quote is followed by `4"`; double a quote to keep it
                3 ["3", "4"]
                4 ["5", "6"]
                5 REJECTED a quote stands inside `8"9`; quote the whole cell and double the quote
                6 REJECTED a closing quote is followed by `12`; double a quote to keep it
                7 ["13", "14"]
                8 REJECTED a quote is opened and not closed
            "#]],
        );
    }

    #[test]
    fn two_stray_quotes_that_pair_up_still_cost_only_their_own_rows() {
        check(
            "a,b\n1,\"2\n3,4\n5,6\",7\n8,9\n",
            &expect![[r#"
                head ["a", "b"]
                2 REJECTED the row has 3 cells; the head has 2
                3 ["3", "4"]
                4 REJECTED a quote stands inside `6"`; quote the whole cell and double the quote
                5 ["8", "9"]
            "#]],
        );
    }

    #[test]
    fn rows_of_another_width_are_rejected() {
        check(
            "a,b\n1\n1,2,3\n,\n",
            &expect![[r#"
                head ["a", "b"]
                2 REJECTED the row has 1 cells; the head has 2
                3 REJECTED the row has 3 cells; the head has 2
                4 ["", ""]
            "#]],
        );
        let flood = format!("a,b\n{}\n1,2\n", ",".repeat(2_000));
        check(
            &flood,
            &expect![[r#"
                head ["a", "b"]
                2 REJECTED the row has over 1024 cells
                3 ["1", "2"]
            "#]],
        );
    }
}
