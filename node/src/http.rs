//! The HTTP API: one file per resource, one list of them, one map from error to status.

pub mod problem;

mod alerts;
mod blobs;
mod conflicts;
mod events;
mod guard;
mod health;
mod holders;
mod imports;
mod incidents;
mod messages;
mod missions;
mod node;
mod parcels;
mod positions;
mod request;
mod retention;
mod tasks;
mod units;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use holdfast_domain::limits::REQUEST_BODY_BYTES_MAX;
use holdfast_driver::handle::Handle;
use tokio::net::TcpListener;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::http::problem::ApiError;

/// What every handler holds.
pub struct App {
    /// The node.
    pub handle: Handle,
    token: String,
    hosts: Vec<String>,
    pub(crate) traffic: health::Traffic,
}

impl App {
    /// A face of the node behind `handle`. `token` opens the API; `hosts` are names by which it may be called beside
    /// loopback and plain addresses.
    pub fn new(handle: Handle, token: String, hosts: Vec<String>) -> Arc<Self> {
        Arc::new(Self { handle, token, hosts, traffic: health::Traffic::default() })
    }
}

pub(crate) type Shared = axum::extract::State<Arc<App>>;

#[derive(OpenApi)]
#[openapi(info(
    title = "Holdfast",
    description = "The API of one node. Every request needs the node's bearer token. Errors are problem documents (RFC 9457).",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Description;

/// The routes of a node, with their description.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    let resources = OpenApiRouter::new()
        .merge(node::router())
        .merge(missions::router())
        .merge(incidents::router())
        .merge(tasks::router())
        .merge(units::router())
        .merge(messages::router())
        .merge(alerts::router())
        .merge(holders::router())
        .merge(positions::router())
        .merge(conflicts::router())
        .merge(imports::router())
        .merge(parcels::router())
        .merge(retention::router())
        .merge(blobs::router())
        .merge(events::router());
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", resources)
}

/// The whole face: the API behind its guards, and what needs no token.
pub fn router(app: Arc<App>, routes: OpenApiRouter<Arc<App>>) -> Router {
    let (api, description) = routes.split_for_parts();
    let description = Arc::new(description.to_pretty_json().unwrap_or_default());
    api.fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::NoMethod })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::token))
        .merge(health::router())
        .route(
            "/api/v1/openapi.json",
            get(move || {
                let description = Arc::clone(&description);
                async move { ([("content-type", "application/json")], description.as_str().to_owned()) }
            }),
        )
        .layer(DefaultBodyLimit::max(REQUEST_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::host))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), health::count))
        .layer(middleware::from_fn(guard::headers))
        .layer(middleware::from_fn(guard::hear_out))
        .with_state(app)
}

/// Answers requests until `shutdown` resolves.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}
