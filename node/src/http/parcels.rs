//! Parcels: entries in a file, made here, looked into, taken in.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use holdfast_domain::api::Problem;
use holdfast_domain::limits::PARCEL_BYTES_MAX;
use holdfast_domain::parcel::{ParcelContents, ParcelImported, ParcelNew};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::Body;
use crate::http::{App, Shared};

/// The type of a parcel.
const PARCEL: &str = "application/vnd.holdfast.parcel";

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(export))
        .routes(routes!(inspect))
        .routes(routes!(import))
        .layer(DefaultBodyLimit::max(PARCEL_BYTES_MAX))
}

type Upload = Result<Bytes, axum::extract::rejection::BytesRejection>;

fn file(body: Upload) -> Result<Vec<u8>, ApiError> {
    body.map(Vec::from).map_err(|_| ApiError::TooLarge { max: PARCEL_BYTES_MAX })
}

/// Makes a parcel: a file with entries, signed by this node, sealed if recipients are named.
#[utoipa::path(post, path = "/parcels/export", tag = "parcels", operation_id = "parcel_export", request_body = ParcelNew,
    responses((status = 200, content_type = "application/vnd.holdfast.parcel", body = Vec<u8>),
        (status = "4XX", body = Problem)))]
async fn export(State(app): Shared, Body(new): Body<ParcelNew>) -> Result<Response, ApiError> {
    let bytes = app.handle.parcel_export(new).await?;
    Ok(([(header::CONTENT_TYPE, PARCEL)], bytes).into_response())
}

/// Tells what is in a parcel without taking it in; of one that is sealed to others, what its header says.
#[utoipa::path(post, path = "/parcels/inspect", tag = "parcels", operation_id = "parcel_inspect",
    request_body(content = Vec<u8>, content_type = "application/vnd.holdfast.parcel"),
    responses((status = 200, body = ParcelContents), (status = "4XX", body = Problem)))]
async fn inspect(State(app): Shared, body: Upload) -> Result<Json<ParcelContents>, ApiError> {
    Ok(Json(app.handle.parcel_inspect(file(body)?).await?))
}

/// Takes a parcel in. A second import changes nothing; runs with a gap before them, and runs that nobody signed, are
/// named and left out.
#[utoipa::path(post, path = "/parcels/import", tag = "parcels", operation_id = "parcel_import",
    request_body(content = Vec<u8>, content_type = "application/vnd.holdfast.parcel"),
    responses((status = 200, body = ParcelImported), (status = "4XX", body = Problem)))]
async fn import(State(app): Shared, body: Upload) -> Result<Json<ParcelImported>, ApiError> {
    Ok(Json(app.handle.parcel_import(file(body)?).await?))
}
