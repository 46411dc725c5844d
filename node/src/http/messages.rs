//! Messages of a mission.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{IncidentId, MessageId, MissionId, UnitId};
use holdfast_domain::message::{Channel, Message, MessageNew};
use holdfast_domain::query::MessageFilter;
use holdfast_domain::record::RecordId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, Conditions, created, found, item, page};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(list, send)).routes(routes!(show))
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only messages to those who work on this incident.
    #[param(value_type = Option<String>)]
    incident: Option<IncidentId>,
    /// Only messages to this unit.
    #[param(value_type = Option<String>)]
    unit: Option<UnitId>,
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Messages, newest first.
#[utoipa::path(get, path = "/missions/{mission}/messages", tag = "messages", operation_id = "message_list",
    params(("mission" = MissionId, Path), Which),
    responses((status = 200, body = Page<Item<Message>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Item<Message>>>, ApiError> {
    let channel = which.incident.map(Channel::Incident).or(which.unit.map(Channel::Unit));
    let page = page(which.limit, which.cursor);
    let filter = MessageFilter { channel };
    Ok(Json(app.handle.read(move |views| views.message_list(mission, &filter, &page)).await?))
}

/// Sends a message.
#[utoipa::path(post, path = "/missions/{mission}/messages", tag = "messages", operation_id = "message_send",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = MessageNew,
    responses((status = 201, body = Item<Message>), (status = 200, body = Item<Message>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn send(
    State(app): Shared,
    At(mission): At<MissionId>,
    conditions: Conditions,
    Body(new): Body<MessageNew>,
) -> Result<Response, ApiError> {
    let outcome = app.edit(Edit::MessageSend(mission, new), conditions).await?;
    let RecordId::Message(id) = outcome.record else { return Err(ApiError::NoRoute) };
    let made = read(&app, mission, id).await?;
    Ok(created(&outcome, &made, &format!("/api/v1/missions/{mission}/messages/{id}")))
}

async fn read(app: &App, mission: MissionId, id: MessageId) -> Result<Item<Message>, ApiError> {
    let item = app.handle.read(move |views| views.message_by_id(id)).await?;
    found(item.filter(|item| item.record.mission == mission), "message", id)
}

/// One message.
#[utoipa::path(get, path = "/missions/{mission}/messages/{id}", tag = "messages", operation_id = "message_show",
    params(("mission" = MissionId, Path), ("id" = MessageId, Path)),
    responses((status = 200, body = Item<Message>), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At((mission, id)): At<(MissionId, MessageId)>) -> Result<Response, ApiError> {
    Ok(item(StatusCode::OK, &read(&app, mission, id).await?))
}
