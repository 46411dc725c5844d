//! The node itself: status, peers, devices, invitations, doctor.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_domain::api::{DoctorReport, Invitation, InvitationNew, Item, NodeStatus, Page, PeerStatus, Problem};
use holdfast_domain::identity::{DeviceCredential, DeviceId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, page};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(peers))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(dial))
        .routes(routes!(devices))
        .routes(routes!(invite))
        .routes(routes!(doctor))
}

/// What this node is and how it does.
#[utoipa::path(get, path = "/status", tag = "node", operation_id = "status",
    responses((status = 200, body = NodeStatus), (status = "5XX", body = Problem)))]
async fn status(State(app): Shared) -> Result<Json<NodeStatus>, ApiError> {
    Ok(Json(app.handle.status().await?))
}

/// Peers known, connected or not.
#[utoipa::path(get, path = "/peers", tag = "node", operation_id = "peer_list",
    responses((status = 200, body = Vec<PeerStatus>), (status = "5XX", body = Problem)))]
async fn peers(State(app): Shared) -> Result<Json<Vec<PeerStatus>>, ApiError> {
    Ok(Json(app.handle.status().await?.peers))
}

/// Keeps the link with a device quiet.
#[utoipa::path(post, path = "/peers/{device}/pause", tag = "node", operation_id = "peer_pause",
    params(("device" = DeviceId, Path)), responses((status = 204), (status = "4XX", body = Problem)))]
async fn pause(State(app): Shared, At(device): At<DeviceId>) -> Result<StatusCode, ApiError> {
    app.handle.pause(device, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the quiet.
#[utoipa::path(post, path = "/peers/{device}/resume", tag = "node", operation_id = "peer_resume",
    params(("device" = DeviceId, Path)), responses((status = 204), (status = "4XX", body = Problem)))]
async fn resume(State(app): Shared, At(device): At<DeviceId>) -> Result<StatusCode, ApiError> {
    app.handle.pause(device, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A peer to dial.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Dial {
    /// `host:port`.
    address: String,
}

/// Dials a peer, and keeps dialling it until the node stops. One that is dialled already is tried at once.
#[utoipa::path(post, path = "/peers/dial", tag = "node", operation_id = "peer_dial", request_body = Dial,
    responses((status = 202), (status = "4XX", body = Problem)))]
async fn dial(State(app): Shared, Body(dial): Body<Dial>) -> Result<StatusCode, ApiError> {
    app.handle.dial(dial.address).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Paging {
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Devices that the org has enrolled.
#[utoipa::path(get, path = "/devices", tag = "node", operation_id = "device_list", params(Paging),
    responses((status = 200, body = Page<Item<DeviceCredential>>), (status = "4XX", body = Problem)))]
async fn devices(
    State(app): Shared,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Item<DeviceCredential>>>, ApiError> {
    let page = page(paging.limit, paging.cursor);
    Ok(Json(app.handle.read(move |views| views.device_list(&page)).await?))
}

/// Makes a one-time invitation; only where the org's authority is held. The token is shown once.
#[utoipa::path(post, path = "/invitations", tag = "node", operation_id = "invite", request_body = InvitationNew,
    responses((status = 201, body = Invitation), (status = "4XX", body = Problem)))]
async fn invite(
    State(app): Shared,
    Body(new): Body<InvitationNew>,
) -> Result<(StatusCode, Json<Invitation>), ApiError> {
    Ok((StatusCode::CREATED, Json(app.handle.invite(new).await?)))
}

/// Checks every chain, signature and document, rebuilds the views and compares.
#[utoipa::path(post, path = "/doctor", tag = "node", operation_id = "doctor",
    responses((status = 200, body = DoctorReport), (status = "5XX", body = Problem)))]
async fn doctor(State(app): Shared) -> Result<Json<DoctorReport>, ApiError> {
    Ok(Json(app.handle.doctor().await?))
}
