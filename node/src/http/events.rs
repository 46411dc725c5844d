//! The live stream: every change of a view row, by Server-Sent Events, replayed from where the listener left off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use holdfast_domain::api::{LiveEvent, Problem};
use holdfast_domain::id::MissionId;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::Asked;
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only this mission.
    #[param(value_type = Option<String>)]
    mission: Option<MissionId>,
    /// Changes after this revision; `Last-Event-ID` counts more. From now on if neither is given.
    after: Option<u64>,
}

/// Rows read at once; a slow listener holds no more.
const PORTION: usize = 100;

/// One listener. It pulls: what it has not taken stays in the database.
struct Listener {
    app: Arc<App>,
    mission: Option<MissionId>,
    after: u64,
    ready: VecDeque<LiveEvent>,
    changes: watch::Receiver<u64>,
    reset: bool,
}

/// Changes as they come. Event names: `mission`, `incident`, `task`, `unit`, `message`, `position`, `conflict`, `alert`, and `reset`
/// when the listener knows more than this node does and must read everything again.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "events",
    params(Which, ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = LiveEvent), (status = "4XX", body = Problem)))]
async fn follow(
    State(app): Shared,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let last =
        match headers.get("last-event-id") {
            Some(id) => {
                let id = id.to_str().ok().and_then(|id| id.parse().ok());
                Some(id.ok_or_else(|| {
                    ApiError::BadRequest("Last-Event-ID is the id of an event of this stream".to_owned())
                })?)
            }
            None => which.after,
        };
    let newest = app.handle.read(|views| views.newest_rev()).await?;
    let reset = last.is_some_and(|last| last > newest);
    let after = if reset { newest } else { last.unwrap_or(newest) };
    let mut changes = app.handle.changes();
    changes.mark_changed();
    let listener = Listener { app, mission: which.mission, after, ready: VecDeque::new(), changes, reset };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

impl Listener {
    /// The next event; `None` when the node stops.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.reset) {
            return Some(Event::default().event("reset").id(self.after.to_string()).data("{}"));
        }
        loop {
            if let Some(live) = self.ready.pop_front() {
                let (rev, name) = labels(&live);
                self.after = rev;
                let value = serde_json::to_value(&live).ok()?;
                return Event::default().event(name).id(rev.to_string()).json_data(&value["data"]).ok();
            }
            self.changes.changed().await.ok()?;
            let (mission, after) = (self.mission, self.after);
            let events = self.app.handle.read(move |views| views.changes_since(mission, after, PORTION)).await.ok()?;
            if events.len() >= PORTION {
                self.changes.mark_changed();
            }
            self.ready.extend(events);
        }
    }
}

fn labels(event: &LiveEvent) -> (u64, &'static str) {
    match event {
        LiveEvent::Mission(item) => (item.rev, "mission"),
        LiveEvent::Incident(item) => (item.rev, "incident"),
        LiveEvent::Task(item) => (item.rev, "task"),
        LiveEvent::Unit(item) => (item.rev, "unit"),
        LiveEvent::Message(item) => (item.rev, "message"),
        LiveEvent::Position(item) => (item.rev, "position"),
        LiveEvent::Conflict(item) => (item.rev, "conflict"),
        LiveEvent::Alert(item) => (item.rev, "alert"),
        LiveEvent::Attachment(item) => (item.rev, "attachment"),
    }
}
