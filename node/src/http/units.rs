//! Units of a mission.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{IncidentId, MissionId, UnitId};
use holdfast_domain::query::UnitFilter;
use holdfast_domain::record::RecordId;
use holdfast_domain::unit::{Unit, UnitChange, UnitNew};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, Conditions, created, found, item, page, words};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(list, open)).routes(routes!(show, change, delete)).routes(routes!(restore))
}

/// Which units.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only these states, separated by commas.
    status: Option<String>,
    /// Only units committed to this incident.
    #[param(value_type = Option<String>)]
    incident: Option<IncidentId>,
    /// Only where this text occurs, whatever the case.
    text: Option<String>,
    /// Deleted ones too.
    #[serde(default)]
    deleted: bool,
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Units, by callsign.
#[utoipa::path(get, path = "/missions/{mission}/units", tag = "units", operation_id = "unit_list",
    params(("mission" = MissionId, Path), Which),
    responses((status = 200, body = Page<Item<Unit>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Item<Unit>>>, ApiError> {
    let filter = UnitFilter {
        status: words(which.status.as_deref())?,
        incident: which.incident,
        text: which.text,
        deleted: which.deleted,
    };
    let page = page(which.limit, which.cursor);
    Ok(Json(app.handle.read(move |views| views.unit_list(mission, &filter, &page)).await?))
}

/// Puts a unit on the roster.
#[utoipa::path(post, path = "/missions/{mission}/units", tag = "units", operation_id = "unit_open",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = UnitNew,
    responses((status = 201, body = Item<Unit>), (status = 200, body = Item<Unit>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn open(
    State(app): Shared,
    At(mission): At<MissionId>,
    conditions: Conditions,
    Body(new): Body<UnitNew>,
) -> Result<Response, ApiError> {
    let outcome = app.edit(Edit::UnitAdd(mission, new), conditions).await?;
    let RecordId::Unit(id) = outcome.record else { return Err(ApiError::NoRoute) };
    let made = read(&app, mission, id).await?;
    Ok(created(&outcome, &made, &format!("/api/v1/missions/{mission}/units/{id}")))
}

async fn read(app: &App, mission: MissionId, id: UnitId) -> Result<Item<Unit>, ApiError> {
    let item = app.handle.read(move |views| views.unit_by_id(id)).await?;
    found(item.filter(|item| item.record.mission == mission), "unit", id)
}

/// One unit; its ETag is its revision on this node.
#[utoipa::path(get, path = "/missions/{mission}/units/{id}", tag = "units", operation_id = "unit_show",
    params(("mission" = MissionId, Path), ("id" = UnitId, Path)),
    responses((status = 200, body = Item<Unit>), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At((mission, id)): At<(MissionId, UnitId)>) -> Result<Response, ApiError> {
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Changes fields by JSON merge patch (RFC 7396).
#[utoipa::path(patch, path = "/missions/{mission}/units/{id}", tag = "units", operation_id = "unit_change",
    params(("mission" = MissionId, Path), ("id" = UnitId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = UnitChange,
    responses((status = 200, body = Item<Unit>), (status = "4XX", body = Problem)))]
async fn change(
    State(app): Shared,
    At((mission, id)): At<(MissionId, UnitId)>,
    conditions: Conditions,
    Body(change): Body<UnitChange>,
) -> Result<Response, ApiError> {
    app.edit(Edit::UnitChange(mission, id, change), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Deletes it; it stays as history and can be restored.
#[utoipa::path(delete, path = "/missions/{mission}/units/{id}", tag = "units", operation_id = "unit_delete",
    params(("mission" = MissionId, Path), ("id" = UnitId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Unit>), (status = "4XX", body = Problem)))]
async fn delete(
    State(app): Shared,
    At((mission, id)): At<(MissionId, UnitId)>,
    conditions: Conditions,
) -> Result<Response, ApiError> {
    app.edit(Edit::Delete(mission, RecordId::Unit(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Restores what was deleted.
#[utoipa::path(post, path = "/missions/{mission}/units/{id}/restore", tag = "units", operation_id = "unit_restore",
    params(("mission" = MissionId, Path), ("id" = UnitId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Unit>), (status = "4XX", body = Problem)))]
async fn restore(
    State(app): Shared,
    At((mission, id)): At<(MissionId, UnitId)>,
    conditions: Conditions,
) -> Result<Response, ApiError> {
    app.edit(Edit::Restore(mission, RecordId::Unit(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}
