//! The conflict inbox: what people must settle.

use axum::Json;
use axum::extract::State;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::conflict::Conflict;
use holdfast_domain::edit::{Edit, Outcome, Resolution};
use holdfast_domain::entry::Digest;
use holdfast_domain::id::MissionId;
use holdfast_domain::record::RecordId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, Conditions, page};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(resolve))
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

/// Open conflicts.
#[utoipa::path(get, path = "/missions/{mission}/conflicts", tag = "conflicts", operation_id = "conflict_list",
    params(("mission" = MissionId, Path), Paging),
    responses((status = 200, body = Page<Item<Conflict>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Item<Conflict>>>, ApiError> {
    let page = page(paging.limit, paging.cursor);
    Ok(Json(app.handle.read(move |views| views.conflict_list(mission, &page)).await?))
}

/// Which rival is to stand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Settlement {
    /// The record, as the conflict names it.
    record: RecordId,
    /// The field at odds.
    field: String,
    /// The `choice` of the rival that is to stand.
    choice: Digest,
}

/// Settles a conflict.
#[utoipa::path(post, path = "/missions/{mission}/conflicts/resolve", tag = "conflicts", operation_id = "conflict_resolve",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = Settlement,
    responses((status = 200, body = Outcome), (status = "4XX", body = Problem)))]
async fn resolve(
    State(app): Shared,
    At(mission): At<MissionId>,
    conditions: Conditions,
    Body(settlement): Body<Settlement>,
) -> Result<Json<Outcome>, ApiError> {
    let Settlement { record, field, choice } = settlement;
    let edit = Edit::ConflictResolve(mission, record, Resolution { field, choice });
    Ok(Json(app.edit(edit, conditions).await?))
}
