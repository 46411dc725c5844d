//! The fleet: every device of the org, when it was last heard, and what it lacks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_domain::api::{PeerStatus, Problem};
use holdfast_node::cli::Global;
use holdfast_node::cli::peers;
use holdfast_node::http::App;
use holdfast_node::http::problem::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of the hub beside those of a node.
pub fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Every device known to the org but this one, heard or not, and what it lacks of what the hub holds.
#[utoipa::path(get, path = "/fleet", tag = "hub", operation_id = "fleet_list",
    responses((status = 200, body = Vec<PeerStatus>), (status = "5XX", body = Problem)))]
async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<PeerStatus>>, ApiError> {
    Ok(Json(app.handle.status().await?.peers))
}

/// Shows the fleet.
#[derive(Debug, clap::Args)]
pub struct Fleet {}

/// `fleet`.
pub fn fleet(global: &Global, _: &Fleet) -> anyhow::Result<()> {
    let status = global.client()?.get("/status")?;
    peers::show(global, &status);
    Ok(())
}
