//! Parts of requests, read with errors that say what is expected; answers that carry a record.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use holdfast_domain::api::Item;
use holdfast_domain::edit::{Edit, EditEffect, Outcome};
use holdfast_domain::limits::REQUEST_BODY_BYTES_MAX;
use holdfast_domain::query::PageRequest;
use holdfast_driver::event::EditOptions;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::App;
use crate::http::problem::ApiError;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !matches!(kind, "application/json" | "application/merge-patch+json") {
            return Err(ApiError::MediaType { expected: "application/json" });
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| ApiError::TooLarge { max: REQUEST_BODY_BYTES_MAX })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            if error.is_data() {
                ApiError::Unprocessable(error.to_string())
            } else {
                ApiError::BadRequest(format!("the body is no JSON: {error}"))
            }
        })
    }
}

/// Parts of the path.
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(inner)| Self(inner)).map_err(|error| {
            ApiError::BadRequest(format!("the path holds something that is no id: {}", error.body_text()))
        })
    }
}

/// The query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(inner)| Self(inner))
            .map_err(|error| ApiError::BadRequest(format!("the query cannot be read: {}", error.body_text())))
    }
}

/// Conditions on an edit, from `If-Match` and `Idempotency-Key`.
pub(crate) struct Conditions(pub(crate) EditOptions);

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let text = |name: header::HeaderName| -> Result<Option<String>, ApiError> {
            let Some(value) = parts.headers.get(&name) else { return Ok(None) };
            let text = value.to_str().map_err(|_| ApiError::BadRequest(format!("{name} is no plain text")))?;
            Ok(Some(text.trim().to_owned()))
        };
        let expect_rev = match text(header::IF_MATCH)?.as_deref() {
            None | Some("*") => None,
            Some(tag) => Some(tag.trim_matches('"').parse().map_err(|_| {
                ApiError::BadRequest(format!("If-Match is `{tag}`; give the ETag of the record as you read it"))
            })?),
        };
        let idempotency_key = text(header::HeaderName::from_static("idempotency-key"))?;
        if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 200) {
            return Err(ApiError::BadRequest("Idempotency-Key has 1 to 200 characters".to_owned()));
        }
        Ok(Self(EditOptions { expect_rev, idempotency_key }))
    }
}

/// Words of a query parameter, separated by commas.
pub(crate) fn words<T: std::str::FromStr<Err = String>>(text: Option<&str>) -> Result<Vec<T>, ApiError> {
    let words = text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty());
    words.map(str::parse).collect::<Result<_, _>>().map_err(ApiError::BadRequest)
}

/// The page asked for.
pub(crate) fn page(limit: Option<u32>, cursor: Option<String>) -> PageRequest {
    PageRequest::new(limit, cursor)
}

impl App {
    /// Makes one edit.
    pub(crate) async fn edit(&self, edit: Edit, Conditions(options): Conditions) -> Result<Outcome, ApiError> {
        match self.handle.edit(vec![edit], options).await?.pop() {
            Some(outcome) => Ok(outcome?),
            None => Err(ApiError::BadRequest("nothing was asked for".to_owned())),
        }
    }
}

/// An answer with one record and its ETag.
pub(crate) fn item<T: Serialize>(status: StatusCode, item: &Item<T>) -> Response {
    tagged((status, Json(item)).into_response(), item.rev)
}

/// The answer with the revision of its record as ETag.
pub(crate) fn tagged(mut response: Response, rev: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{rev}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The answer to a creation: 201 for a fresh record, 200 for one that was there already.
pub(crate) fn created<T: Serialize>(outcome: &Outcome, made: &Item<T>, place: &str) -> Response {
    let status = if outcome.effect == EditEffect::Created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = item(status, made);
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The record, or that there is none.
pub(crate) fn found<T>(item: Option<T>, kind: &'static str, id: impl std::fmt::Display) -> Result<T, ApiError> {
    item.ok_or_else(|| ApiError::NotFound { kind, id: id.to_string() })
}
