//! What every request passes: the name it calls the node by, the token, and the headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::host_is_ours;
use crate::http::App;
use crate::http::problem::ApiError;

/// Compares without telling by its time how much was right.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Lets only holders of the token pass.
pub(crate) async fn token(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if equal(token.as_bytes(), app.token.as_bytes()) {
        next.run(request).await
    } else {
        ApiError::Token.into_response()
    }
}

/// Lets only requests pass that call the node by a name of its own: a page of elsewhere cannot rebind its name here.
pub(crate) async fn host(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.parse::<u16>().is_ok() => bare,
        _ => host,
    };
    if host_is_ours(bare, &app.hosts) {
        next.run(request).await
    } else {
        ApiError::Host { host: host.chars().take(80).collect() }.into_response()
    }
}

/// Tells browsers to take every answer for what it says it is, to keep nothing and to embed it nowhere.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        // An answer may be stricter by itself.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
