//! Numbers of others in our units: degrees, decimetres, centimetres a second, hundredths of a degree.

use holdfast_domain::geography::LatLon;

use crate::report::excerpt;

/// Centimetres a second in a knot: 1,852 m an hour.
const CM_S_PER_KNOT: f64 = 185_200.0 / 3_600.0;
/// Heights beyond this are no heights of anything on Earth, metres.
const ALTITUDE_M_MAX: f64 = 100_000.0;
/// Speeds beyond this are no speeds of anything on Earth, metres a second.
const SPEED_M_S_MAX: f64 = 100_000.0;

/// A number, if the text is one and it is finite.
pub(crate) fn number(what: &str, text: &str) -> Result<f64, String> {
    let value: Result<f64, _> = text.trim().parse();
    value
        .ok()
        .filter(|value| value.is_finite())
        .ok_or_else(|| format!("{what} `{}` is not a number; give digits such as 37.7749", excerpt(text)))
}

/// A place from texts of decimal degrees.
pub(crate) fn position(lat: &str, lon: &str) -> Result<LatLon, String> {
    let (lat, lon) = (number("latitude", lat)?, number("longitude", lon)?);
    LatLon::new(lat, lon).map_err(|error| error.to_string())
}

/// Decimetres from metres above mean sea level.
pub(crate) fn altitude_dm(metres: f64) -> Result<i32, String> {
    if metres.abs() <= ALTITUDE_M_MAX {
        Ok((metres * 10.0).round() as i32)
    } else {
        Err(format!("altitude {metres} m is not on Earth; give metres above mean sea level"))
    }
}

/// Centimetres a second from metres a second. Receivers write a negative speed when they know none.
pub(crate) fn speed_cm_s(metres_per_second: f64) -> Result<Option<u32>, String> {
    if metres_per_second < 0.0 {
        Ok(None)
    } else if metres_per_second <= SPEED_M_S_MAX {
        Ok(Some((metres_per_second * 100.0).round() as u32))
    } else {
        Err(format!("speed {metres_per_second} m/s is too high; give metres a second"))
    }
}

/// Centimetres a second from knots.
pub(crate) fn knots_cm_s(knots: f64) -> Result<Option<u32>, String> {
    speed_cm_s(knots * CM_S_PER_KNOT / 100.0)
}

/// Hundredths of a degree from degrees. Receivers write a negative course when they know none.
pub(crate) fn course_cdeg(degrees: f64) -> Result<Option<u16>, String> {
    if degrees < 0.0 {
        Ok(None)
    } else if degrees <= 360.0 {
        Ok(Some((degrees * 100.0).round() as u16))
    } else {
        Err(format!("course {degrees} is over 360 degrees; give degrees from true north"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_converted_and_not_taken_for_one_another() {
        assert_eq!(knots_cm_s(5.6), Ok(Some(288)), "5.6 kn = 2.881 m/s");
        assert_eq!(knots_cm_s(1.0), Ok(Some(51)), "1 kn = 0.5144 m/s");
        assert_eq!(speed_cm_s(11.0), Ok(Some(1_100)));
        assert_eq!(altitude_dm(280.827), Ok(2_808));
        assert_eq!(altitude_dm(-4.0), Ok(-40));
        assert_eq!(course_cdeg(359.999), Ok(Some(36_000)));
    }

    #[test]
    fn unknown_is_not_zero_and_nonsense_is_refused() {
        assert_eq!(speed_cm_s(-1.0), Ok(None));
        assert_eq!(course_cdeg(-1.0), Ok(None));
        assert!(altitude_dm(f64::NAN).is_err() && speed_cm_s(f64::NAN).is_err() && course_cdeg(f64::NAN).is_err());
        assert!(course_cdeg(400.0).is_err() && speed_cm_s(1e9).is_err() && altitude_dm(-1e9).is_err());
        assert!(number("latitude", "1e999").is_err() && number("latitude", "").is_err());
        assert!(position("95", "10").is_err() && position("10", "nan").is_err());
    }
}
