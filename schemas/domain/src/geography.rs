//! A point on the Earth: WGS 84 degrees, held to 1e-7 degree (about 1 cm).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// Latitude and longitude, WGS 84. In JSON `{"lat": 37.78, "lon": -122.41}`; on the wire two integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LatLon {
    lat_e7: i32,
    lon_e7: i32,
}

/// A point on the Earth, WGS 84 degrees.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = LatLon)]
#[serde(deny_unknown_fields)]
pub struct Degrees {
    /// Latitude, −90 to 90.
    #[schema(minimum = -90, maximum = 90)]
    lat: f64,
    /// Longitude, −180 to 180.
    #[schema(minimum = -180, maximum = 180)]
    lon: f64,
}

/// A latitude or longitude that is no place on Earth.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("latitude {lat}, longitude {lon} is not on Earth: give latitude -90..90, longitude -180..180, WGS 84 degrees")]
pub struct NotOnEarth {
    lat: f64,
    lon: f64,
}

impl LatLon {
    /// From degrees.
    pub fn new(lat: f64, lon: f64) -> Result<Self, NotOnEarth> {
        if (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon) {
            Ok(Self { lat_e7: (lat * 1e7).round() as i32, lon_e7: (lon * 1e7).round() as i32 })
        } else {
            Err(NotOnEarth { lat, lon })
        }
    }

    /// From units of 1e-7 degree, as stored.
    pub fn from_e7(lat_e7: i32, lon_e7: i32) -> Result<Self, NotOnEarth> {
        Self::new(f64::from(lat_e7) / 1e7, f64::from(lon_e7) / 1e7)
    }

    /// Degrees of latitude.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / 1e7
    }

    /// Degrees of longitude.
    pub fn lon(self) -> f64 {
        f64::from(self.lon_e7) / 1e7
    }

    /// Latitude in 1e-7 degree.
    pub fn lat_e7(self) -> i32 {
        self.lat_e7
    }

    /// Longitude in 1e-7 degree.
    pub fn lon_e7(self) -> i32 {
        self.lon_e7
    }
}

impl Serialize for LatLon {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if out.is_human_readable() {
            Degrees { lat: self.lat(), lon: self.lon() }.serialize(out)
        } else {
            (self.lat_e7, self.lon_e7).serialize(out)
        }
    }
}

impl<'de> Deserialize<'de> for LatLon {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        if input.is_human_readable() {
            let degrees = Degrees::deserialize(input)?;
            Self::new(degrees.lat, degrees.lon)
        } else {
            let (lat_e7, lon_e7) = Deserialize::deserialize(input)?;
            Self::from_e7(lat_e7, lon_e7)
        }
        .map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for LatLon {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        <Degrees as utoipa::PartialSchema>::schema()
    }
}

impl ToSchema for LatLon {
    fn name() -> std::borrow::Cow<'static, str> {
        "LatLon".into()
    }
}
