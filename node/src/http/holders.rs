//! Who has a record, and what each device holds.

use axum::Json;
use axum::extract::State;
use holdfast_domain::api::Problem;
use holdfast_domain::holders::{Holders, ScopeHolder};
use holdfast_domain::id::{AlertId, IncidentId, MessageId, MissionId, TaskId, UnitId};
use holdfast_domain::record::RecordId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(devices))
        .routes(routes!(message))
        .routes(routes!(task))
        .routes(routes!(incident))
        .routes(routes!(unit))
        .routes(routes!(alert))
        .routes(routes!(org_alert))
}

/// Of which scope.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The mission; the org if absent.
    #[param(value_type = Option<String>)]
    mission: Option<MissionId>,
}

/// What each device holds of a mission or of the org, compared with this node: by acknowledgements of neighbours, and by
/// what devices say of themselves, signed, over any number of relays.
#[utoipa::path(get, path = "/holders", tag = "holders", operation_id = "holder_list", params(Which),
    responses((status = 200, body = Vec<ScopeHolder>), (status = "4XX", body = Problem)))]
async fn devices(State(app): Shared, Asked(which): Asked<Which>) -> Result<Json<Vec<ScopeHolder>>, ApiError> {
    Ok(Json(app.handle.scope_holders(which.mission).await?))
}

async fn holders(app: &App, mission: Option<MissionId>, record: RecordId) -> Result<Json<Holders>, ApiError> {
    Ok(Json(app.handle.holders(mission, record).await?))
}

/// Who has a message.
#[utoipa::path(get, path = "/missions/{mission}/messages/{id}/holders", tag = "holders", operation_id = "message_holders",
    params(("mission" = MissionId, Path), ("id" = MessageId, Path)),
    responses((status = 200, body = Holders), (status = "4XX", body = Problem)))]
async fn message(State(app): Shared, At((mission, id)): At<(MissionId, MessageId)>) -> Result<Json<Holders>, ApiError> {
    holders(&app, Some(mission), RecordId::Message(id)).await
}

/// Who has a task as this node shows it.
#[utoipa::path(get, path = "/missions/{mission}/tasks/{id}/holders", tag = "holders", operation_id = "task_holders",
    params(("mission" = MissionId, Path), ("id" = TaskId, Path)),
    responses((status = 200, body = Holders), (status = "4XX", body = Problem)))]
async fn task(State(app): Shared, At((mission, id)): At<(MissionId, TaskId)>) -> Result<Json<Holders>, ApiError> {
    holders(&app, Some(mission), RecordId::Task(id)).await
}

/// Who has an incident as this node shows it.
#[utoipa::path(get, path = "/missions/{mission}/incidents/{id}/holders", tag = "holders", operation_id = "incident_holders",
    params(("mission" = MissionId, Path), ("id" = IncidentId, Path)),
    responses((status = 200, body = Holders), (status = "4XX", body = Problem)))]
async fn incident(
    State(app): Shared,
    At((mission, id)): At<(MissionId, IncidentId)>,
) -> Result<Json<Holders>, ApiError> {
    holders(&app, Some(mission), RecordId::Incident(id)).await
}

/// Who has a unit as this node shows it.
#[utoipa::path(get, path = "/missions/{mission}/units/{id}/holders", tag = "holders", operation_id = "unit_holders",
    params(("mission" = MissionId, Path), ("id" = UnitId, Path)),
    responses((status = 200, body = Holders), (status = "4XX", body = Problem)))]
async fn unit(State(app): Shared, At((mission, id)): At<(MissionId, UnitId)>) -> Result<Json<Holders>, ApiError> {
    holders(&app, Some(mission), RecordId::Unit(id)).await
}

/// Who has an alert of a mission; those who heard it are shown with the alert.
#[utoipa::path(get, path = "/missions/{mission}/alerts/{id}/holders", tag = "holders", operation_id = "alert_holders",
    params(("mission" = MissionId, Path), ("id" = AlertId, Path)),
    responses((status = 200, body = Holders), (status = "4XX", body = Problem)))]
async fn alert(State(app): Shared, At((mission, id)): At<(MissionId, AlertId)>) -> Result<Json<Holders>, ApiError> {
    holders(&app, Some(mission), RecordId::Alert(id)).await
}

/// Who has an alert of the org; those who heard it are shown with the alert.
#[utoipa::path(get, path = "/alerts/{id}/holders", tag = "holders", operation_id = "org_alert_holders",
    params(("id" = AlertId, Path)), responses((status = 200, body = Holders), (status = "4XX", body = Problem)))]
async fn org_alert(State(app): Shared, At(id): At<AlertId>) -> Result<Json<Holders>, ApiError> {
    holders(&app, None, RecordId::Alert(id)).await
}
