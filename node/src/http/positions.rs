//! Where units are, and where they were.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::{Edit, Outcome};
use holdfast_domain::id::{MissionId, UnitId};
use holdfast_domain::query::TrackFilter;
use holdfast_domain::track::{Fix, TrackNew, UnitPosition};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, Conditions, found, item, page};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, report)).routes(routes!(track, append))
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

/// The newest position of each unit.
#[utoipa::path(get, path = "/missions/{mission}/positions", tag = "positions", operation_id = "position_list",
    params(("mission" = MissionId, Path), Paging),
    responses((status = 200, body = Page<Item<UnitPosition>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Item<UnitPosition>>>, ApiError> {
    let page = page(paging.limit, paging.cursor);
    Ok(Json(app.handle.read(move |views| views.position_list(mission, &page)).await?))
}

async fn read(app: &App, mission: MissionId, unit: UnitId) -> Result<Item<UnitPosition>, ApiError> {
    let item = app.handle.read(move |views| views.position_by_unit(unit)).await?;
    found(item.filter(|item| item.record.mission == mission), "position of unit", unit)
}

/// The newest position of one unit.
#[utoipa::path(get, path = "/missions/{mission}/units/{unit}/position", tag = "positions", operation_id = "position_show",
    params(("mission" = MissionId, Path), ("unit" = UnitId, Path)),
    responses((status = 200, body = Item<UnitPosition>), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At((mission, unit)): At<(MissionId, UnitId)>) -> Result<Response, ApiError> {
    Ok(item(StatusCode::OK, &read(&app, mission, unit).await?))
}

/// Reports where a unit is now.
#[utoipa::path(put, path = "/missions/{mission}/units/{unit}/position", tag = "positions", operation_id = "position_report",
    params(("mission" = MissionId, Path), ("unit" = UnitId, Path)), request_body = Fix,
    responses((status = 200, body = Item<UnitPosition>), (status = "4XX", body = Problem)))]
async fn report(
    State(app): Shared,
    At((mission, unit)): At<(MissionId, UnitId)>,
    conditions: Conditions,
    Body(fix): Body<Fix>,
) -> Result<Response, ApiError> {
    app.edit(Edit::PositionReport(mission, unit, fix), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, unit).await?))
}

/// Which part of a track.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Span {
    /// From this time on, Unix milliseconds.
    from_ms: Option<u64>,
    /// Up to and including this time, Unix milliseconds.
    to_ms: Option<u64>,
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// The track of a unit, oldest fix first.
#[utoipa::path(get, path = "/missions/{mission}/units/{unit}/track", tag = "positions", operation_id = "track_list",
    params(("mission" = MissionId, Path), ("unit" = UnitId, Path), Span),
    responses((status = 200, body = Page<Fix>), (status = "4XX", body = Problem)))]
async fn track(
    State(app): Shared,
    At((mission, unit)): At<(MissionId, UnitId)>,
    Asked(span): Asked<Span>,
) -> Result<Json<Page<Fix>>, ApiError> {
    let known = app.handle.read(move |views| views.unit_by_id(unit)).await?;
    found(known.filter(|item| item.record.mission == mission), "unit", unit)?;
    let filter = TrackFilter { from_ms: span.from_ms, to_ms: span.to_ms };
    let page = page(span.limit, span.cursor);
    Ok(Json(app.handle.read(move |views| views.track_list(unit, &filter, &page)).await?))
}

/// Adds fixes to a unit's track; those that it has already are left out.
#[utoipa::path(post, path = "/missions/{mission}/units/{unit}/track", tag = "positions", operation_id = "track_append",
    params(("mission" = MissionId, Path), ("unit" = UnitId, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = TrackNew,
    responses((status = 200, body = Outcome), (status = "4XX", body = Problem)))]
async fn append(
    State(app): Shared,
    At((mission, unit)): At<(MissionId, UnitId)>,
    conditions: Conditions,
    Body(new): Body<TrackNew>,
) -> Result<Json<Outcome>, ApiError> {
    Ok(Json(app.edit(Edit::TrackAppend(mission, unit, new), conditions).await?))
}
