//! What is kept of each stream; and at a command post, floors laid and documents rolled by hand.

use axum::Json;
use axum::extract::State;
use holdfast_domain::api::Problem;
use holdfast_domain::retention::{FloorLaid, FloorNew, RetentionStatus};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::Body;
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(status)).routes(routes!(lay))
}

/// What this node keeps of each stream of its missions, what lies below a floor, and what it passed over.
#[utoipa::path(get, path = "/retention", tag = "retention", operation_id = "retention_status",
    responses((status = 200, body = RetentionStatus), (status = "5XX", body = Problem)))]
async fn status(State(app): Shared) -> Result<Json<RetentionStatus>, ApiError> {
    Ok(Json(app.handle.retention().await?))
}

/// Lays a floor: rolls a document to its next generation, or lets older entries of a feed go. Only at a command post,
/// which itself keeps everything.
#[utoipa::path(post, path = "/retention/floors", tag = "retention", operation_id = "floor_lay", request_body = FloorNew,
    responses((status = 200, body = FloorLaid), (status = "4XX", body = Problem)))]
async fn lay(State(app): Shared, Body(new): Body<FloorNew>) -> Result<Json<FloorLaid>, ApiError> {
    Ok(Json(app.handle.lay_floor(new).await?))
}
