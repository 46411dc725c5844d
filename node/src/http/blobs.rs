//! Files attached to missions: up, down, listed, fetched, removed.

mod content;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use holdfast_domain::api::{Page, Problem};
use holdfast_domain::blob::{AttachmentNew, AttachmentShown, BlobId, BlobState};
use holdfast_domain::id::MissionId;
use holdfast_domain::limits::BLOB_BYTES_MAX;
use holdfast_domain::query::AttachmentFilter;
use holdfast_domain::record::RecordId;
use holdfast_driver::blobs::Staged;
use holdfast_driver::handle::Handle;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, found, page};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, remove))
        .routes(routes!(content))
        .routes(routes!(thumbnail))
        .routes(routes!(fetch))
}

/// Which attachments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those of this record, as `kind:id`, such as `task:0192…`.
    attached_to: Option<String>,
    /// Removed ones too.
    removed: Option<bool>,
    /// Rows of a page, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What is said of a file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct About {
    /// Its file name.
    name: String,
    /// The record it is attached to, as `kind:id`, such as `task:0192…`; the mission as a whole if absent.
    attached_to: Option<String>,
}

fn record(text: Option<&str>) -> Result<Option<RecordId>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let parsed = text.split_once(':').and_then(|(kind, id)| {
        let id: MissionId = id.parse().ok()?;
        RecordId::from_parts(kind, *id.as_bytes())
    });
    let wrong = || ApiError::BadRequest(format!("attached_to is `{text}`; give kind:id, such as task:0192…"));
    parsed.map(Some).ok_or_else(wrong)
}

/// Files attached to a mission, newest first, each with how much of it is on this node.
#[utoipa::path(get, path = "/missions/{mission}/blobs", tag = "blobs", operation_id = "blob_list",
    params(("mission" = MissionId, Path), Which),
    responses((status = 200, body = Page<AttachmentShown>), (status = "4XX", body = Problem)))]
async fn list(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<AttachmentShown>>, ApiError> {
    let attached_to = record(which.attached_to.as_deref())?;
    let filter = AttachmentFilter { attached_to, removed: which.removed.unwrap_or(false) };
    let page = page(which.limit, which.cursor);
    Ok(Json(app.handle.read(move |views| views.attachment_list(mission, &filter, &page)).await?))
}

/// Attaches a file: its bytes are the body, its type is the content-type. It is durable on this node when this returns.
/// The same bytes are attached to a mission once.
#[utoipa::path(post, path = "/missions/{mission}/blobs", tag = "blobs", operation_id = "blob_add",
    params(("mission" = MissionId, Path), About),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = AttachmentShown), (status = 200, body = AttachmentShown, description = "It was there already"),
        (status = "4XX", body = Problem)))]
async fn add(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(about): Asked<About>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let media_type = match headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) {
        None => "application/octet-stream".to_owned(),
        Some(Ok(kind)) => kind.to_owned(),
        Some(Err(_)) => return Err(ApiError::BadRequest("content-type is no plain text".to_owned())),
    };
    let attached_to = record(about.attached_to.as_deref())?;
    let new = AttachmentNew { mission, media_type, name: about.name, attached_to };
    new.check()?;
    found(app.handle.read(move |views| views.mission_by_id(mission)).await?, "mission", mission)?;
    let (content, small) = take_in(&app.handle, body).await?;
    let (id, fresh) = app.handle.blob_attach(new, content, small).await?;
    let made = read(&app, mission, id).await?;
    let status = if fresh { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(made)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/missions/{mission}/blobs/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Bytes gathered before they are written, so that small network reads do not each cost a hop to a blocking thread.
const WRITE_BYTES: usize = 256 << 10;

/// Takes the body in, piece by piece, and makes a small picture of it.
async fn take_in(handle: &Handle, body: Body) -> Result<(Staged, Option<Staged>), ApiError> {
    let begun = handle.clone();
    let mut incoming = blocking(move || Ok(begun.blob_incoming()?)).await?;
    let mut stream = body.into_data_stream();
    let mut gathered = Vec::with_capacity(WRITE_BYTES);
    loop {
        let piece = stream.next().await.transpose();
        let piece = piece.map_err(|_| ApiError::BadRequest("the upload broke off; send it again".to_owned()))?;
        let last = piece.is_none();
        gathered.extend_from_slice(&piece.unwrap_or_default());
        if incoming.bytes() + gathered.len() as u64 > BLOB_BYTES_MAX {
            return Err(ApiError::TooLarge { max: BLOB_BYTES_MAX as usize });
        }
        if last || gathered.len() >= WRITE_BYTES {
            (incoming, gathered) = blocking(move || {
                Handle::blob_write(&mut incoming, &gathered)?;
                gathered.clear();
                Ok((incoming, gathered))
            })
            .await?;
        }
        if last {
            break;
        }
    }
    if incoming.bytes() == 0 {
        return Err(ApiError::Unprocessable("the file is empty; there is nothing to attach".to_owned()));
    }
    let handle = handle.clone();
    blocking(move || {
        let content = Handle::blob_finish(incoming)?;
        let picture = content.open().ok().and_then(|file| crate::thumbnail::of(std::io::BufReader::new(file)));
        let small = match picture {
            Some(bytes) => {
                let mut incoming = handle.blob_incoming()?;
                Handle::blob_write(&mut incoming, &bytes)?;
                Some(Handle::blob_finish(incoming)?)
            }
            None => None,
        };
        Ok((content, small))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|_| ApiError::BadRequest("the file could not be taken in".to_owned()))?
}

async fn read(app: &App, mission: MissionId, id: BlobId) -> Result<AttachmentShown, ApiError> {
    let shown = app.handle.read(move |views| views.attachment_by_id(mission, id)).await?;
    found(shown, "attachment", id)
}

/// One attachment, with how much of it is on this node.
#[utoipa::path(get, path = "/missions/{mission}/blobs/{id}", tag = "blobs", operation_id = "blob_show",
    params(("mission" = MissionId, Path), ("id" = BlobId, Path)),
    responses((status = 200, body = AttachmentShown), (status = "4XX", body = Problem)))]
async fn show(
    State(app): Shared,
    At((mission, id)): At<(MissionId, BlobId)>,
) -> Result<Json<AttachmentShown>, ApiError> {
    Ok(Json(read(&app, mission, id).await?))
}

/// The bytes of an attachment, all or a range of them. Browsers save them; they never show or run them.
#[utoipa::path(get, path = "/missions/{mission}/blobs/{id}/content", tag = "blobs", operation_id = "blob_content",
    params(("mission" = MissionId, Path), ("id" = BlobId, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>), (status = "4XX", body = Problem)))]
async fn content(
    State(app): Shared,
    At((mission, id)): At<(MissionId, BlobId)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shown = here(&app, mission, id).await?;
    let record = &shown.record;
    match app.handle.blob_open(record.key()).await? {
        Some(file) => content::answer(file, record.key(), &record.media_type, Some(&record.name), &headers),
        None => Err(elsewhere(&shown)),
    }
}

/// The small picture of an attachment, a JPEG.
#[utoipa::path(get, path = "/missions/{mission}/blobs/{id}/thumbnail", tag = "blobs", operation_id = "blob_thumbnail",
    params(("mission" = MissionId, Path), ("id" = BlobId, Path)),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = "4XX", body = Problem)))]
async fn thumbnail(
    State(app): Shared,
    At((mission, id)): At<(MissionId, BlobId)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shown = here(&app, mission, id).await?;
    let small = found(shown.record.thumbnail, "small picture of attachment", id)?;
    match app.handle.blob_open(small.key()).await? {
        Some(file) => content::answer(file, small.key(), "image/jpeg", None, &headers),
        None => Err(elsewhere(&shown)),
    }
}

async fn here(app: &App, mission: MissionId, id: BlobId) -> Result<AttachmentShown, ApiError> {
    let shown = read(app, mission, id).await?;
    found(Some(shown).filter(|shown| shown.record.removed.is_none()), "attachment", id)
}

fn elsewhere(shown: &AttachmentShown) -> ApiError {
    let here = if shown.state == BlobState::Partial { shown.groups_here } else { 0 };
    ApiError::Elsewhere { id: shown.record.id.to_string(), here, groups: shown.groups }
}

/// Has the bytes of an attachment fetched from whoever has them, and kept, whatever the settings say.
#[utoipa::path(post, path = "/missions/{mission}/blobs/{id}/fetch", tag = "blobs", operation_id = "blob_fetch",
    params(("mission" = MissionId, Path), ("id" = BlobId, Path)),
    responses((status = 202, body = AttachmentShown), (status = "4XX", body = Problem)))]
async fn fetch(
    State(app): Shared,
    At((mission, id)): At<(MissionId, BlobId)>,
) -> Result<(StatusCode, Json<AttachmentShown>), ApiError> {
    app.handle.blob_fetch(mission, id).await?;
    Ok((StatusCode::ACCEPTED, Json(read(&app, mission, id).await?)))
}

/// Removes an attachment. Every node that hears of it drops its bytes.
#[utoipa::path(delete, path = "/missions/{mission}/blobs/{id}", tag = "blobs", operation_id = "blob_remove",
    params(("mission" = MissionId, Path), ("id" = BlobId, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
async fn remove(State(app): Shared, At((mission, id)): At<(MissionId, BlobId)>) -> Result<StatusCode, ApiError> {
    app.handle.blob_remove(mission, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
