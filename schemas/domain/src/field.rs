//! Parts that records share: a field of a partial update, a deletion, checked texts.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entry::Digest;
use crate::limits::{LINE_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};
use crate::refusal::Refusal;

/// One field of a JSON merge patch (RFC 7396): absent keeps, `null` clears, a value sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// The field was absent.
    #[default]
    Keep,
    /// The field was `null`.
    Clear,
    /// The field had a value.
    Set(T),
}

impl<T> Change<T> {
    /// Whether the field is kept; use with `skip_serializing_if`.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The value, if one is set.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(out)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(input)?.map_or(Self::Clear, Self::Set))
    }
}

/// A record's deletion. It is history for ever; restoring clears it by a further change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Deletion {
    /// When, Unix milliseconds by the deleter's clock.
    pub at_ms: u64,
    /// Fingerprint of the content that the deleter saw: an edit made meanwhile elsewhere shows as a difference.
    pub basis: Digest,
}

fn check(field: &'static str, text: &str, bytes_max: usize, lines: bool) -> Result<(), Refusal> {
    let fault = if text.len() > bytes_max {
        format!("is {} bytes long; at most {bytes_max} are allowed", text.len())
    } else if text.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\t' | '\r'))) {
        "has control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::Invalid { field, fault })
}

/// A name: not blank, one line, at most [`NAME_BYTES_MAX`].
pub fn check_name(field: &'static str, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::Invalid { field, fault: "is empty".to_owned() });
    }
    check(field, text, NAME_BYTES_MAX, false)
}

/// One line, at most [`LINE_BYTES_MAX`]; may be empty.
pub fn check_line(field: &'static str, text: &str) -> Result<(), Refusal> {
    check(field, text, LINE_BYTES_MAX, false)
}

/// A text of several lines, at most [`TEXT_BYTES_MAX`]; may be empty.
pub fn check_text(field: &'static str, text: &str) -> Result<(), Refusal> {
    check(field, text, TEXT_BYTES_MAX, true)
}
