//! What every request passes: the name it calls the node by, the token, and the headers of every answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::Mutex;

use crate::config::host_is_ours;
use crate::http::App;
use crate::http::problem::ApiError;

/// Of a body that was refused early this much is read and thrown away, and for so long.
const REFUSED_BYTES_MAX: usize = 16 << 20;
const REFUSED_WAIT: Duration = Duration::from_secs(5);

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

/// Reads what a refused request still sends, so that its sender hears why instead of a broken connection. One who asked
/// before sending (`Expect: 100-continue`) has nothing under way.
pub(crate) async fn hear_out(request: Request, next: Next) -> Response {
    let sends =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| request.headers().contains_key(name));
    if !sends || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body.into_data_stream()));
    let handed = stream::unfold(Arc::clone(&body), |body| async {
        let piece = body.lock().await.next().await?;
        Some((piece, body))
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(handed))).await;
    if response.status().is_client_error() {
        let rest = async {
            let mut left = REFUSED_BYTES_MAX;
            while let Some(Ok(piece)) = body.lock().await.next().await
                && left > 0
            {
                left = left.saturating_sub(piece.len());
            }
        };
        // Whoever sends for longer than this is cut off, as before.
        drop(tokio::time::timeout(REFUSED_WAIT, rest).await);
    }
    response
}
