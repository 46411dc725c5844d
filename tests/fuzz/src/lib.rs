//! Fuzz targets: each takes any bytes and must neither panic nor believe them.

pub mod target;
