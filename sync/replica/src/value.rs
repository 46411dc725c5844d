//! Values of fields: how they are written as scalars, and how any scalar, however odd, is read.
//!
//! A scalar that is not what its field holds reads as the field's default, on every node the same. Times and ids have
//! bounds that the views rely on.

use automerge::ScalarValue;
use holdfast_domain::entry::Digest;
use holdfast_domain::field::Deletion;
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::{IncidentId, UnitId};

/// First millisecond that is no time: 48 bits, as in a hybrid timestamp.
const TIME_MS_END: u64 = 1 << 48;

/// A text.
pub(crate) fn from_text(text: &str) -> ScalarValue {
    ScalarValue::Str(text.into())
}

/// A text that `null` empties.
pub(crate) fn from_text_or_none(text: Option<&String>) -> ScalarValue {
    from_text(text.map_or("", String::as_str))
}

/// The sixteen bytes of an id, or null.
pub(crate) fn from_id(id: Option<&[u8; 16]>) -> ScalarValue {
    id.map_or(ScalarValue::Null, |id| ScalarValue::Bytes(id.to_vec()))
}

/// Milliseconds, or null.
pub(crate) fn from_time(ms: Option<u64>) -> ScalarValue {
    ms.map_or(ScalarValue::Null, ScalarValue::Uint)
}

/// Latitude and longitude in 1e-7 degree, little-endian, or null: one scalar, so that no merge mixes two places.
pub(crate) fn from_position(position: Option<LatLon>) -> ScalarValue {
    position.map_or(ScalarValue::Null, |position| {
        let mut bytes = position.lat_e7().to_le_bytes().to_vec();
        bytes.extend_from_slice(&position.lon_e7().to_le_bytes());
        ScalarValue::Bytes(bytes)
    })
}

/// Time of the deletion in milliseconds, little-endian, then the fingerprint; or null.
pub(crate) fn from_deletion(deletion: Option<&Deletion>) -> ScalarValue {
    deletion.map_or(ScalarValue::Null, |deletion| {
        let mut bytes = deletion.at_ms.to_le_bytes().to_vec();
        bytes.extend_from_slice(&deletion.basis.0);
        ScalarValue::Bytes(bytes)
    })
}

/// A text; empty by default.
pub(crate) fn text(scalar: Option<&ScalarValue>) -> &str {
    match scalar {
        Some(ScalarValue::Str(text)) => text,
        _ => "",
    }
}

/// A count within bounds, or the default.
pub(crate) fn count(scalar: Option<&ScalarValue>, bounds: std::ops::RangeInclusive<u64>, default: u64) -> u64 {
    match scalar {
        Some(ScalarValue::Uint(count)) if bounds.contains(count) => *count,
        _ => default,
    }
}

/// Unix milliseconds; none by default.
pub(crate) fn time(scalar: Option<&ScalarValue>) -> Option<u64> {
    match scalar {
        Some(ScalarValue::Uint(ms)) if *ms < TIME_MS_END => Some(*ms),
        _ => None,
    }
}

/// The bytes of an id; none by default.
fn id(scalar: Option<&ScalarValue>) -> Option<[u8; 16]> {
    match scalar {
        Some(ScalarValue::Bytes(bytes)) => bytes.as_slice().try_into().ok(),
        _ => None,
    }
}

/// The id of an incident; none by default.
pub(crate) fn incident(scalar: Option<&ScalarValue>) -> Option<IncidentId> {
    id(scalar).map(IncidentId::from_bytes)
}

/// The id of a unit; none by default.
pub(crate) fn unit(scalar: Option<&ScalarValue>) -> Option<UnitId> {
    id(scalar).map(UnitId::from_bytes)
}

/// A place; none by default.
pub(crate) fn position(scalar: Option<&ScalarValue>) -> Option<LatLon> {
    let Some(ScalarValue::Bytes(bytes)) = scalar else { return None };
    let (lat, lon) = bytes.split_first_chunk()?;
    LatLon::from_e7(i32::from_le_bytes(*lat), i32::from_le_bytes(lon.try_into().ok()?)).ok()
}

/// A deletion; none by default.
pub(crate) fn deletion(scalar: Option<&ScalarValue>) -> Option<Deletion> {
    let Some(ScalarValue::Bytes(bytes)) = scalar else { return None };
    let (at_ms, basis) = bytes.split_first_chunk()?;
    let at_ms = Some(u64::from_le_bytes(*at_ms)).filter(|ms| *ms < TIME_MS_END)?;
    Some(Deletion { at_ms, basis: Digest(basis.try_into().ok()?) })
}

/// Whether a scalar says nothing: an absent field, null and the empty text are one.
pub(crate) fn is_blank(scalar: &ScalarValue) -> bool {
    match scalar {
        ScalarValue::Null => true,
        ScalarValue::Str(text) => text.is_empty(),
        _ => false,
    }
}

/// Bytes that tell any two scalars apart, for digests.
pub(crate) fn fingerprint_bytes(scalar: &ScalarValue) -> Vec<u8> {
    let (tag, bytes): (u8, Vec<u8>) = match scalar {
        ScalarValue::Null => (0, Vec::new()),
        ScalarValue::Boolean(value) => (1, vec![u8::from(*value)]),
        ScalarValue::Uint(value) => (2, value.to_le_bytes().to_vec()),
        ScalarValue::Int(value) => (3, value.to_le_bytes().to_vec()),
        ScalarValue::F64(value) => (4, value.to_bits().to_le_bytes().to_vec()),
        ScalarValue::Str(value) => (5, value.as_bytes().to_vec()),
        ScalarValue::Bytes(value) => (6, value.clone()),
        ScalarValue::Timestamp(value) => (7, value.to_le_bytes().to_vec()),
        // Neither gets past the examination of changes.
        ScalarValue::Counter(value) => (8, i64::from(value).to_le_bytes().to_vec()),
        ScalarValue::Unknown { type_code, bytes } => (9, [&[*type_code], bytes.as_slice()].concat()),
    };
    let mut out = vec![tag];
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd() -> Vec<ScalarValue> {
        vec![
            ScalarValue::Null,
            ScalarValue::Boolean(true),
            ScalarValue::Uint(u64::MAX),
            ScalarValue::Int(-1),
            ScalarValue::F64(f64::NAN),
            ScalarValue::Str("nonsense".into()),
            ScalarValue::Bytes(vec![]),
            ScalarValue::Bytes(vec![0x7f; 8]),
            ScalarValue::Bytes(vec![0xff; 40]),
            ScalarValue::Bytes(vec![0xff; 41]),
            ScalarValue::Timestamp(i64::MIN),
        ]
    }

    #[test]
    fn odd_scalars_read_as_defaults() {
        for scalar in odd() {
            let scalar = Some(&scalar);
            assert_eq!(count(scalar, 1..=5, 3), 3);
            assert_eq!(time(scalar), None);
            assert_eq!(position(scalar), None);
            assert_eq!(deletion(scalar), None);
            assert_eq!(incident(scalar), None);
            assert!(matches!(text(scalar), "" | "nonsense"));
        }
    }

    #[test]
    fn values_survive_their_scalar() {
        let place = LatLon::new(-37.5, 179.999_999_9).expect("New Zealand is on Earth");
        assert_eq!(position(Some(&from_position(Some(place)))), Some(place));
        let deleted = Deletion { at_ms: 1_700_000_000_000, basis: Digest([7; 32]) };
        assert_eq!(deletion(Some(&from_deletion(Some(&deleted)))), Some(deleted));
        let unit_id = UnitId::from_bytes([9; 16]);
        assert_eq!(unit(Some(&from_id(Some(unit_id.as_bytes())))), Some(unit_id));
        assert_eq!(time(Some(&from_time(Some(5)))), Some(5));
    }

    #[test]
    fn digests_tell_scalars_apart() {
        let scalars = odd();
        for (at, left) in scalars.iter().enumerate() {
            for right in &scalars[at + 1..] {
                assert_ne!(fingerprint_bytes(left), fingerprint_bytes(right));
            }
        }
    }
}
