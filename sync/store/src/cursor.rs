//! Cursors: where in a list the last page ended, as text that fits in a URL. A cursor names its list and carries the
//! sort values of the last row, so pages neither repeat nor miss rows when others come and go.

use std::fmt::Write;

use rusqlite::types::Value;

use crate::error::StoreError;

/// What a sort column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Number,
    Text,
    Bytes,
}

/// The cursor after the row with these sort values.
pub(crate) fn encode(list: u8, values: &[Value]) -> String {
    let mut bytes = vec![list];
    for value in values {
        match value {
            Value::Integer(number) => bytes.extend_from_slice(&number.to_be_bytes()),
            Value::Text(text) => put(&mut bytes, text.as_bytes()),
            Value::Blob(blob) => put(&mut bytes, blob),
            // No sort column holds these.
            Value::Null | Value::Real(_) => {}
        }
    }
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
    bytes.extend_from_slice(part);
}

/// The sort values of a cursor of this list; [`StoreError::BadCursor`] if it is not one.
pub(crate) fn decode(list: u8, sorts: &[Sort], cursor: &str) -> Result<Vec<Value>, StoreError> {
    parse(list, sorts, cursor).ok_or(StoreError::BadCursor)
}

fn parse(list: u8, sorts: &[Sort], cursor: &str) -> Option<Vec<Value>> {
    let bytes = from_hex(cursor)?;
    let mut rest = bytes.strip_prefix(&[list])?;
    let mut values = Vec::with_capacity(sorts.len());
    for sort in sorts {
        values.push(match sort {
            Sort::Number => {
                let (number, after) = rest.split_first_chunk()?;
                rest = after;
                Value::Integer(i64::from_be_bytes(*number))
            }
            Sort::Text => Value::Text(String::from_utf8(take(&mut rest)?.to_vec()).ok()?),
            Sort::Bytes => Value::Blob(take(&mut rest)?.to_vec()),
        });
    }
    rest.is_empty().then_some(values)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SORTS: &[Sort] = &[Sort::Number, Sort::Text, Sort::Bytes];

    fn values() -> Vec<Value> {
        vec![Value::Integer(-7), Value::Text("e07 ä".to_owned()), Value::Blob(vec![0, 255])]
    }

    #[test]
    fn a_cursor_comes_back_as_it_went_and_needs_no_escaping() {
        let cursor = encode(3, &values());
        assert!(cursor.bytes().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(decode(3, SORTS, &cursor).expect("its own cursor"), values());
    }

    #[test]
    fn a_cursor_of_another_list_cut_or_lengthened_is_refused() {
        let cursor = encode(3, &values());
        for bad in [&cursor[2..], &cursor[..cursor.len() - 2], &format!("{cursor}00"), "", "zz", "ä", "0", "03ffffffff"]
        {
            assert!(matches!(decode(3, SORTS, bad), Err(StoreError::BadCursor)), "{bad}");
        }
        assert!(matches!(decode(4, SORTS, &cursor), Err(StoreError::BadCursor)));
    }
}
