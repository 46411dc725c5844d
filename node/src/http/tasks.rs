//! Tasks of a mission.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{IncidentId, MissionId, TaskId, UnitId};
use holdfast_domain::query::TaskFilter;
use holdfast_domain::record::RecordId;
use holdfast_domain::task::{Task, TaskChange, TaskNew};
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

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only these states, separated by commas.
    status: Option<String>,
    /// Only tasks of this unit.
    #[param(value_type = Option<String>)]
    assignee: Option<UnitId>,
    /// Only tasks of this incident.
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

/// Tasks, most urgent first, then oldest.
#[utoipa::path(get, path = "/missions/{mission}/tasks", tag = "tasks", operation_id = "task_list",
    params(("mission" = MissionId, Path), Which),
    responses((status = 200, body = Page<Item<Task>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Item<Task>>>, ApiError> {
    let filter = TaskFilter {
        status: words(which.status.as_deref())?,
        assignee: which.assignee,
        incident: which.incident,
        text: which.text,
        deleted: which.deleted,
    };
    let page = page(which.limit, which.cursor);
    Ok(Json(app.handle.read(move |views| views.task_list(mission, &filter, &page)).await?))
}

/// Makes a task.
#[utoipa::path(post, path = "/missions/{mission}/tasks", tag = "tasks", operation_id = "task_open",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = TaskNew,
    responses((status = 201, body = Item<Task>), (status = 200, body = Item<Task>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn open(
    State(app): Shared,
    At(mission): At<MissionId>,
    conditions: Conditions,
    Body(new): Body<TaskNew>,
) -> Result<Response, ApiError> {
    let outcome = app.edit(Edit::TaskOpen(mission, new), conditions).await?;
    let RecordId::Task(id) = outcome.record else { return Err(ApiError::NoRoute) };
    let made = read(&app, mission, id).await?;
    Ok(created(&outcome, &made, &format!("/api/v1/missions/{mission}/tasks/{id}")))
}

async fn read(app: &App, mission: MissionId, id: TaskId) -> Result<Item<Task>, ApiError> {
    let item = app.handle.read(move |views| views.task_by_id(id)).await?;
    found(item.filter(|item| item.record.mission == mission), "task", id)
}

/// One task; its ETag is its revision on this node.
#[utoipa::path(get, path = "/missions/{mission}/tasks/{id}", tag = "tasks", operation_id = "task_show",
    params(("mission" = MissionId, Path), ("id" = TaskId, Path)),
    responses((status = 200, body = Item<Task>), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At((mission, id)): At<(MissionId, TaskId)>) -> Result<Response, ApiError> {
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Changes fields by JSON merge patch (RFC 7396).
#[utoipa::path(patch, path = "/missions/{mission}/tasks/{id}", tag = "tasks", operation_id = "task_change",
    params(("mission" = MissionId, Path), ("id" = TaskId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = TaskChange,
    responses((status = 200, body = Item<Task>), (status = "4XX", body = Problem)))]
async fn change(
    State(app): Shared,
    At((mission, id)): At<(MissionId, TaskId)>,
    conditions: Conditions,
    Body(change): Body<TaskChange>,
) -> Result<Response, ApiError> {
    app.edit(Edit::TaskChange(mission, id, change), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Deletes it; it stays as history and can be restored.
#[utoipa::path(delete, path = "/missions/{mission}/tasks/{id}", tag = "tasks", operation_id = "task_delete",
    params(("mission" = MissionId, Path), ("id" = TaskId, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Task>), (status = "4XX", body = Problem)))]
async fn delete(
    State(app): Shared,
    At((mission, id)): At<(MissionId, TaskId)>,
    conditions: Conditions,
) -> Result<Response, ApiError> {
    app.edit(Edit::Delete(mission, RecordId::Task(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}

/// Restores what was deleted.
#[utoipa::path(post, path = "/missions/{mission}/tasks/{id}/restore", tag = "tasks", operation_id = "task_restore",
    params(("mission" = MissionId, Path), ("id" = TaskId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Item<Task>), (status = "4XX", body = Problem)))]
async fn restore(
    State(app): Shared,
    At((mission, id)): At<(MissionId, TaskId)>,
    conditions: Conditions,
) -> Result<Response, ApiError> {
    app.edit(Edit::Restore(mission, RecordId::Task(id)), conditions).await?;
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}
