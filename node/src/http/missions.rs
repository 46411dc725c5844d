//! Missions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::MissionId;
use holdfast_domain::mission::{Mission, MissionChange, MissionNew};
use holdfast_domain::record::RecordId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, Conditions, created, found, item, page};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(list, open)).routes(routes!(show, change, delete)).routes(routes!(restore))
}

/// Which missions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Deleted ones too.
    #[serde(default)]
    deleted: bool,
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Missions, newest first.
#[utoipa::path(get, path = "/missions", tag = "missions", operation_id = "mission_list", params(Which),
    responses((status = 200, body = Page<Item<Mission>>), (status = "4XX", body = Problem)))]
async fn list(State(app): Shared, Asked(which): Asked<Which>) -> Result<Json<Page<Item<Mission>>>, ApiError> {
    let page = page(which.limit, which.cursor);
    Ok(Json(app.handle.read(move |views| views.mission_list(&page, which.deleted)).await?))
}

/// Opens a mission.
#[utoipa::path(post, path = "/missions", tag = "missions", operation_id = "mission_open",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = MissionNew,
    responses((status = 201, body = Item<Mission>), (status = 200, body = Item<Mission>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn open(State(app): Shared, conditions: Conditions, Body(new): Body<MissionNew>) -> Result<Response, ApiError> {
    let outcome = app.edit(Edit::MissionOpen(new), conditions).await?;
    let RecordId::Mission(id) = outcome.record else { return Err(ApiError::NoRoute) };
    let made = read(&app, id).await?;
    Ok(created(&outcome, &made, &format!("/api/v1/missions/{id}")))
}

async fn read(app: &App, id: MissionId) -> Result<Item<Mission>, ApiError> {
    found(app.handle.read(move |views| views.mission_by_id(id)).await?, "mission", id)
}

/// One mission; its ETag is its revision on this node.
#[utoipa::path(get, path = "/missions/{mission}", tag = "missions", operation_id = "mission_show",
    params(("mission" = MissionId, Path)),
    responses((status = 200, body = Item<Mission>), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At(id): At<MissionId>) -> Result<Response, ApiError> {
    Ok(item(StatusCode::OK, &read(&app, id).await?))
}

/// Changes fields by JSON merge patch (RFC 7396).
#[utoipa::path(patch, path = "/missions/{mission}", tag = "missions", operation_id = "mission_change",
    params(("mission" = MissionId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = MissionChange,
    responses((status = 200, body = Item<Mission>), (status = "4XX", body = Problem)))]
async fn change(
    State(app): Shared,
    At(id): At<MissionId>,
    conditions: Conditions,
    Body(change): Body<MissionChange>,
) -> Result<Response, ApiError> {
    app.edit(Edit::MissionChange(id, change), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, id).await?))
}

/// Deletes it; it stays as history and can be restored.
#[utoipa::path(delete, path = "/missions/{mission}", tag = "missions", operation_id = "mission_delete",
    params(("mission" = MissionId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Mission>), (status = "4XX", body = Problem)))]
async fn delete(State(app): Shared, At(id): At<MissionId>, conditions: Conditions) -> Result<Response, ApiError> {
    app.edit(Edit::Delete(id, RecordId::Mission(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, id).await?))
}

/// Restores what was deleted.
#[utoipa::path(post, path = "/missions/{mission}/restore", tag = "missions", operation_id = "mission_restore",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Mission>), (status = "4XX", body = Problem)))]
async fn restore(State(app): Shared, At(id): At<MissionId>, conditions: Conditions) -> Result<Response, ApiError> {
    app.edit(Edit::Restore(id, RecordId::Mission(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, id).await?))
}
