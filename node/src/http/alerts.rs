//! Alerts of a mission and of the whole org.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use holdfast_domain::alert::{Alert, AlertAck, AlertCancel, AlertDetail, AlertNew};
use holdfast_domain::api::{Item, Page, Problem};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{AlertId, MissionId};
use holdfast_domain::query::AlertFilter;
use holdfast_domain::record::RecordId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, Body, Conditions, created, found, page, tagged};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, raise))
        .routes(routes!(show))
        .routes(routes!(ack))
        .routes(routes!(cancel))
        .routes(routes!(org_list, org_raise))
        .routes(routes!(org_show))
        .routes(routes!(org_ack))
        .routes(routes!(org_cancel))
}

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those that are over too: cancelled, or past their end by this node's clock.
    #[serde(default)]
    all: bool,
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl App {
    async fn alert_list(&self, mission: Option<MissionId>, which: Which) -> Result<Json<Page<Item<Alert>>>, ApiError> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let filter = AlertFilter { open_at_ms: (!which.all).then_some(now.as_millis() as u64) };
        let page = page(which.limit, which.cursor);
        Ok(Json(self.handle.read(move |views| views.alert_list(mission, filter, &page)).await?))
    }

    async fn alert_raise(
        &self,
        mission: Option<MissionId>,
        new: AlertNew,
        conditions: Conditions,
    ) -> Result<Response, ApiError> {
        let outcome = self.edit(Edit::AlertRaise(mission, new), conditions).await?;
        let RecordId::Alert(id) = outcome.record else { return Err(ApiError::NoRoute) };
        let made = self.alert(mission, id).await?;
        let place = mission.map_or_else(String::new, |mission| format!("/missions/{mission}"));
        Ok(created(&outcome, &made.alert, &format!("/api/v1{place}/alerts/{id}")))
    }

    async fn alert(&self, mission: Option<MissionId>, id: AlertId) -> Result<AlertDetail, ApiError> {
        found(self.handle.read(move |views| views.alert_by_id(mission, id)).await?, "alert", id)
    }

    async fn alert_shown(&self, mission: Option<MissionId>, id: AlertId) -> Result<Response, ApiError> {
        let detail = self.alert(mission, id).await?;
        Ok(tagged((StatusCode::OK, Json(&detail)).into_response(), detail.alert.rev))
    }
}

/// Alerts of a mission that stand, newest first.
#[utoipa::path(get, path = "/missions/{mission}/alerts", tag = "alerts", operation_id = "alert_list",
    params(("mission" = MissionId, Path), Which),
    responses((status = 200, body = Page<Item<Alert>>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Item<Alert>>>, ApiError> {
    app.alert_list(Some(mission), which).await
}

/// Raises an alert in a mission. It goes before everything else on every link.
#[utoipa::path(post, path = "/missions/{mission}/alerts", tag = "alerts", operation_id = "alert_raise",
    params(("mission" = MissionId, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = AlertNew,
    responses((status = 201, body = Item<Alert>), (status = 200, body = Item<Alert>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn raise(
    State(app): Shared,
    At(mission): At<MissionId>,
    conditions: Conditions,
    Body(new): Body<AlertNew>,
) -> Result<Response, ApiError> {
    app.alert_raise(Some(mission), new, conditions).await
}

/// One alert of a mission, with who acknowledged it.
#[utoipa::path(get, path = "/missions/{mission}/alerts/{id}", tag = "alerts", operation_id = "alert_show",
    params(("mission" = MissionId, Path), ("id" = AlertId, Path)),
    responses((status = 200, body = AlertDetail), (status = "4XX", body = Problem)))]
async fn show(State(app): Shared, At((mission, id)): At<(MissionId, AlertId)>) -> Result<Response, ApiError> {
    app.alert_shown(Some(mission), id).await
}

/// Acknowledges an alert of a mission in the name of this device. Once is enough: a second time changes nothing.
#[utoipa::path(post, path = "/missions/{mission}/alerts/{id}/ack", tag = "alerts", operation_id = "alert_ack",
    params(("mission" = MissionId, Path), ("id" = AlertId, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = AlertAck,
    responses((status = 200, body = AlertDetail), (status = "4XX", body = Problem)))]
async fn ack(
    State(app): Shared,
    At((mission, id)): At<(MissionId, AlertId)>,
    conditions: Conditions,
    Body(ack): Body<AlertAck>,
) -> Result<Response, ApiError> {
    app.edit(Edit::AlertAcknowledge(Some(mission), id, ack), conditions).await?;
    app.alert_shown(Some(mission), id).await
}

/// Calls an alert of a mission off; only the device that raised it, and a command post, may.
#[utoipa::path(post, path = "/missions/{mission}/alerts/{id}/cancel", tag = "alerts", operation_id = "alert_cancel",
    params(("mission" = MissionId, Path), ("id" = AlertId, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = AlertCancel,
    responses((status = 200, body = AlertDetail), (status = "4XX", body = Problem)))]
async fn cancel(
    State(app): Shared,
    At((mission, id)): At<(MissionId, AlertId)>,
    conditions: Conditions,
    Body(cancel): Body<AlertCancel>,
) -> Result<Response, ApiError> {
    app.edit(Edit::AlertCancel(Some(mission), id, cancel), conditions).await?;
    app.alert_shown(Some(mission), id).await
}

/// Alerts of the whole org that stand, newest first.
#[utoipa::path(get, path = "/alerts", tag = "alerts", operation_id = "org_alert_list", params(Which),
    responses((status = 200, body = Page<Item<Alert>>), (status = "4XX", body = Problem)))]
async fn org_list(State(app): Shared, Asked(which): Asked<Which>) -> Result<Json<Page<Item<Alert>>>, ApiError> {
    app.alert_list(None, which).await
}

/// Raises an alert in the whole org. It goes before everything else on every link.
#[utoipa::path(post, path = "/alerts", tag = "alerts", operation_id = "org_alert_raise",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = AlertNew,
    responses((status = 201, body = Item<Alert>), (status = 200, body = Item<Alert>, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn org_raise(
    State(app): Shared,
    conditions: Conditions,
    Body(new): Body<AlertNew>,
) -> Result<Response, ApiError> {
    app.alert_raise(None, new, conditions).await
}

/// One alert of the org, with who acknowledged it.
#[utoipa::path(get, path = "/alerts/{id}", tag = "alerts", operation_id = "org_alert_show",
    params(("id" = AlertId, Path)),
    responses((status = 200, body = AlertDetail), (status = "4XX", body = Problem)))]
async fn org_show(State(app): Shared, At(id): At<AlertId>) -> Result<Response, ApiError> {
    app.alert_shown(None, id).await
}

/// Acknowledges an alert of the org in the name of this device. Once is enough: a second time changes nothing.
#[utoipa::path(post, path = "/alerts/{id}/ack", tag = "alerts", operation_id = "org_alert_ack",
    params(("id" = AlertId, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = AlertAck,
    responses((status = 200, body = AlertDetail), (status = "4XX", body = Problem)))]
async fn org_ack(
    State(app): Shared,
    At(id): At<AlertId>,
    conditions: Conditions,
    Body(ack): Body<AlertAck>,
) -> Result<Response, ApiError> {
    app.edit(Edit::AlertAcknowledge(None, id, ack), conditions).await?;
    app.alert_shown(None, id).await
}

/// Calls an alert of the org off; only the device that raised it, and a command post, may.
#[utoipa::path(post, path = "/alerts/{id}/cancel", tag = "alerts", operation_id = "org_alert_cancel",
    params(("id" = AlertId, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = AlertCancel,
    responses((status = 200, body = AlertDetail), (status = "4XX", body = Problem)))]
async fn org_cancel(
    State(app): Shared,
    At(id): At<AlertId>,
    conditions: Conditions,
    Body(cancel): Body<AlertCancel>,
) -> Result<Response, ApiError> {
    app.edit(Edit::AlertCancel(None, id, cancel), conditions).await?;
    app.alert_shown(None, id).await
}
