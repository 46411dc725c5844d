//! Incidents of a mission.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{IncidentId, MissionId};
use holdfast_domain::incident::{Incident, IncidentChange, IncidentNew};
use holdfast_domain::query::IncidentFilter;
use holdfast_domain::record::RecordId;
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

/// Which incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only these states, separated by commas.
    status: Option<String>,
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

/// Incidents, newest report first.
#[utoipa::path(get, path = "/missions/{mission}/incidents", tag = "incidents", operation_id = "incident_list",
    params(("mission" = MissionId, Path), Which),
    responses((status = 200, body = Page<Item<Incident>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Item<Incident>>>, ApiError> {
    let filter = IncidentFilter { status: words(which.status.as_deref())?, text: which.text, deleted: which.deleted };
    let page = page(which.limit, which.cursor);
    Ok(Json(app.handle.read(move |views| views.incident_list(mission, &filter, &page)).await?))
}

/// Reports an incident.
#[utoipa::path(post, path = "/missions/{mission}/incidents", tag = "incidents", operation_id = "incident_open",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = IncidentNew,
    responses((status = 201, body = Item<Incident>), (status = 200, body = Item<Incident>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn open(
    State(app): Shared,
    At(mission): At<MissionId>,
    conditions: Conditions,
    Body(new): Body<IncidentNew>,
) -> Result<Response, ApiError> {
    let outcome = app.edit(Edit::IncidentOpen(mission, new), conditions).await?;
    let RecordId::Incident(id) = outcome.record else { return Err(ApiError::NoRoute) };
    let made = read(&app, mission, id).await?;
    Ok(created(&outcome, &made, &format!("/api/v1/missions/{mission}/incidents/{id}")))
}

async fn read(app: &App, mission: MissionId, id: IncidentId) -> Result<Item<Incident>, ApiError> {
    let item = app.handle.read(move |views| views.incident_by_id(id)).await?;
    found(item.filter(|item| item.record.mission == mission), "incident", id)
}

/// One incident; its ETag is its revision on this node.
#[utoipa::path(get, path = "/missions/{mission}/incidents/{id}", tag = "incidents", operation_id = "incident_show",
    params(("mission" = MissionId, Path), ("id" = IncidentId, Path)),
    responses((status = 200, body = Item<Incident>), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At((mission, id)): At<(MissionId, IncidentId)>) -> Result<Response, ApiError> {
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Changes fields by JSON merge patch (RFC 7396).
#[utoipa::path(patch, path = "/missions/{mission}/incidents/{id}", tag = "incidents", operation_id = "incident_change",
    params(("mission" = MissionId, Path), ("id" = IncidentId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = IncidentChange,
    responses((status = 200, body = Item<Incident>), (status = "4XX", body = Problem)))]
async fn change(
    State(app): Shared,
    At((mission, id)): At<(MissionId, IncidentId)>,
    conditions: Conditions,
    Body(change): Body<IncidentChange>,
) -> Result<Response, ApiError> {
    app.edit(Edit::IncidentChange(mission, id, change), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Deletes it; it stays as history and can be restored.
#[utoipa::path(delete, path = "/missions/{mission}/incidents/{id}", tag = "incidents", operation_id = "incident_delete",
    params(("mission" = MissionId, Path), ("id" = IncidentId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Incident>), (status = "4XX", body = Problem)))]
async fn delete(
    State(app): Shared,
    At((mission, id)): At<(MissionId, IncidentId)>,
    conditions: Conditions,
) -> Result<Response, ApiError> {
    app.edit(Edit::Delete(mission, RecordId::Incident(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Restores what was deleted.
#[utoipa::path(post, path = "/missions/{mission}/incidents/{id}/restore", tag = "incidents", operation_id = "incident_restore",
    params(("mission" = MissionId, Path), ("id" = IncidentId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Incident>), (status = "4XX", body = Problem)))]
async fn restore(
    State(app): Shared,
    At((mission, id)): At<(MissionId, IncidentId)>,
    conditions: Conditions,
) -> Result<Response, ApiError> {
    app.edit(Edit::Restore(mission, RecordId::Incident(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}
