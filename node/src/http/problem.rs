//! The one map from error to status; every error is a problem document (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use holdfast_domain::api::Problem;
use holdfast_domain::parcel::ParcelError;
use holdfast_domain::refusal::Refusal;
use holdfast_driver::handle::Failed;
use holdfast_driver::parcel::ParcelRefusal;
use holdfast_formats::error::FormatError;

/// What a request can come to besides its answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The engine or the views.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// A file that cannot be imported at all.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A part of the request that cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// A body of another type.
    #[error("send {expected}, with that content-type")]
    MediaType {
        /// The type expected.
        expected: &'static str,
    },
    /// A body over the limit.
    #[error("the body is over the limit of {max} bytes; send less at once")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// A body that is JSON but not what is asked for.
    #[error("{0}")]
    Unprocessable(String),
    /// No token, or another.
    #[error(
        "give the node's token as `Authorization: Bearer …`; it stands in the file api-token of its data directory"
    )]
    Token,
    /// Called by a name that is not the node's.
    #[error("this node is not called `{host}`; use its address, or add the name to http_hosts in its settings")]
    Host {
        /// The name it was called by.
        host: String,
    },
    /// No such route.
    #[error("there is nothing at this path; /api/v1/openapi.json lists what there is")]
    NoRoute,
    /// Not with this method.
    #[error("this path does not take this method; /api/v1/openapi.json lists what it takes")]
    NoMethod,
    /// The attachment is known, its bytes are not here.
    #[error(
        "the bytes of attachment {id} are not on this node yet ({here} of {groups} parts are); ask for them with `blob fetch`, and wait until a node that has them is met"
    )]
    Elsewhere {
        /// Its id.
        id: String,
        /// Parts that are here.
        here: u32,
        /// Parts it has.
        groups: u32,
    },
    /// A range that the file does not have.
    #[error("the file has {bytes} bytes; ask for a range within them")]
    Range {
        /// Its length.
        bytes: u64,
    },
    /// No such record here.
    #[error("there is no {kind} {id} here; list what there is, or wait until it has synced")]
    NotFound {
        /// The kind of record.
        kind: &'static str,
        /// Its id.
        id: String,
    },
}

impl ApiError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Failed(failed) => failed_status(failed),
            Self::Format(_) | Self::Unprocessable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            Self::MediaType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::Token => (StatusCode::UNAUTHORIZED, "token"),
            Self::Host { .. } => (StatusCode::MISDIRECTED_REQUEST, "host"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no-route"),
            Self::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, "no-method"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
            Self::Elsewhere { .. } => (StatusCode::CONFLICT, "elsewhere"),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "range"),
        }
    }
}

fn failed_status(failed: &Failed) -> (StatusCode, &'static str) {
    match failed {
        Failed::Refused(refusal) => refusal_status(refusal),
        Failed::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Failed::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        Failed::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "database"),
        Failed::BadCursor => (StatusCode::BAD_REQUEST, "bad-cursor"),
        Failed::NotAuthority => (StatusCode::FORBIDDEN, "not-authority"),
        Failed::Parcel(refusal) => match refusal {
            ParcelRefusal::Parcel(ParcelError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            ParcelRefusal::Parcel(ParcelError::SealedToOthers) => (StatusCode::FORBIDDEN, "sealed-to-others"),
            ParcelRefusal::Parcel(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-parcel"),
            ParcelRefusal::UnknownDevice { .. } | ParcelRefusal::BadRecipient { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unknown-device")
            }
            ParcelRefusal::Empty => (StatusCode::NOT_FOUND, "nothing-to-export"),
        },
        Failed::Sealing(_) => (StatusCode::INTERNAL_SERVER_ERROR, "sealing"),
        Failed::BadAddress { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "bad-address"),
    }
}

fn refusal_status(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
        Refusal::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        Refusal::IllegalStep { .. } => (StatusCode::CONFLICT, "illegal-step"),
        Refusal::Deleted { .. } => (StatusCode::CONFLICT, "deleted"),
        Refusal::MissionClosed { .. } => (StatusCode::CONFLICT, "mission-closed"),
        Refusal::Stale { .. } => (StatusCode::PRECONDITION_FAILED, "stale"),
        Refusal::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused"),
        Refusal::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-many"),
        Refusal::NoConflict { .. } => (StatusCode::CONFLICT, "no-conflict"),
        Refusal::EpochChanging => (StatusCode::SERVICE_UNAVAILABLE, "epoch-changing"),
        Refusal::MayNot { .. } => (StatusCode::FORBIDDEN, "may-not"),
        Refusal::NotSaved { .. } => (StatusCode::INSUFFICIENT_STORAGE, "not-saved"),
        Refusal::NoRoom { .. } => (StatusCode::INSUFFICIENT_STORAGE, "no-room"),
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(Failed::Refused(refusal))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, word) = self.status();
        if status.is_server_error() {
            tracing::warn!(word, error = &self as &dyn std::error::Error, "a request failed");
        }
        let problem = Problem {
            kind: format!("urn:holdfast:problem:{word}"),
            title: word.replace('-', " "),
            status: status.as_u16(),
            detail: self.to_string(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
