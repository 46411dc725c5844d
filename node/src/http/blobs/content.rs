//! Bytes of a file as an answer: all of it or one range (RFC 9110, section 14), in pieces, never shown or run.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use holdfast_domain::blob::BlobKey;

use crate::http::problem::ApiError;

/// Bytes read at once.
const PIECE_BYTES: u64 = 256 << 10;

/// The bytes asked for. `name` makes a browser save them under it.
pub(crate) fn answer(
    mut file: File,
    key: BlobKey,
    media_type: &str,
    name: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let tag = format!("\"{}\"", key.id);
    // The bytes of a name never change, so a range of another tag is of another file.
    let same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let (status, first, end) = match asked.filter(|_| same).map(|asked| range(asked, key.bytes)) {
        None | Some(Asked::Unknown) => (StatusCode::OK, 0, key.bytes),
        Some(Asked::Part(first, end)) => (StatusCode::PARTIAL_CONTENT, first, end),
        Some(Asked::Outside) => return Err(ApiError::Range { bytes: key.bytes }),
    };
    file.seek(SeekFrom::Start(first)).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let mut response = Response::new(Body::from_stream(pieces(file, end - first)));
    *response.status_mut() = status;
    let disposition = name.map_or_else(|| "inline".to_owned(), disposition);
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, "application/octet-stream");
    put(header::CONTENT_TYPE, media_type);
    put(header::CONTENT_LENGTH, &(end - first).to_string());
    put(header::CONTENT_DISPOSITION, &disposition);
    put(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox");
    put(header::ACCEPT_RANGES, "bytes");
    put(header::ETAG, &tag);
    if status == StatusCode::PARTIAL_CONTENT {
        put(header::CONTENT_RANGE, &format!("bytes {first}-{}/{}", end - 1, key.bytes));
    }
    Ok(response)
}

fn pieces(file: File, left: u64) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; left.min(PIECE_BYTES) as usize];
            file.read_exact(&mut piece)?;
            Ok::<_, std::io::Error>((file, piece))
        });
        let (file, piece) = read.await.map_err(std::io::Error::other)??;
        let rest = left - piece.len() as u64;
        Ok(Some((Bytes::from(piece), (file, rest))))
    })
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// From the first byte up to, not including, the second.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
    /// Something else than one range of bytes: it may be passed over.
    Unknown,
}

fn range(text: &str, bytes: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Asked::Unknown;
    };
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(bytes)),
        (Ok(first), Err(_)) if last.is_empty() => (first, bytes),
        (Err(_), Ok(count)) if first.is_empty() => (bytes.saturating_sub(count), bytes),
        _ => return Asked::Unknown,
    };
    if part.0 < part.1 { Asked::Part(part.0, part.1) } else { Asked::Outside }
}

/// To be saved under this name (RFC 6266), whatever is in it.
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._-()".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let encoded = crate::cli::client::quoted(name);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_file_or_none() {
        let cases = [
            ("bytes=0-0", Asked::Part(0, 1)),
            ("bytes=5-", Asked::Part(5, 10)),
            ("bytes=-3", Asked::Part(7, 10)),
            ("bytes=-30", Asked::Part(0, 10)),
            ("bytes=2-999", Asked::Part(2, 10)),
            ("bytes=0-18446744073709551615", Asked::Part(0, 10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=3-2", Asked::Unknown),
            ("bytes=0-1,4-5", Asked::Unknown),
            ("lines=1-2", Asked::Unknown),
            ("bytes=", Asked::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_header() {
        let told = disposition("roof \"west\"\r\nSet-Cookie: a=b; ö.jpg");
        assert!(told.starts_with("attachment; filename=\"roof _west___Set-Cookie_ a_b_ _.jpg\"; filename*="), "{told}");
        assert!(HeaderValue::from_str(&told).is_ok() && !told.contains('\n'));
    }
}
