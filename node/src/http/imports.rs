//! Imports: files of outside systems become edits, in gestures of bounded size.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use holdfast_domain::api::{ImportReport, Problem};
use holdfast_domain::edit::{Edit, EditEffect};
use holdfast_domain::field::Change;
use holdfast_domain::id::{IncidentId, MissionId, UnitId};
use holdfast_domain::limits::{GESTURE_EDITS_MAX, IMPORT_BYTES_MAX, TRACK_FIXES_MAX};
use holdfast_domain::record::RecordId;
use holdfast_domain::track::TrackNew;
use holdfast_domain::unit::{UnitChange, UnitStatus};
use holdfast_driver::event::EditOptions;
use holdfast_formats::dispatch::{DispatchImport, read_dispatch};
use holdfast_formats::mapping::Mapping;
use holdfast_formats::track::{TrackFormat, sniff};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::ApiError;
use crate::http::request::{Asked, At, found};
use crate::http::{App, Shared};

pub(crate) fn router() -> OpenApiRouter<std::sync::Arc<App>> {
    OpenApiRouter::new().routes(routes!(dispatch)).routes(routes!(track)).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX))
}

/// How to read a dispatch table.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Reading {
    /// A mapping in TOML for tables of other systems; San Francisco's columns if absent.
    mapping: Option<String>,
}

/// Imports a dispatch table (CSV). A bad row is named and left out, the rest goes in; a second import changes nothing.
#[utoipa::path(post, path = "/missions/{mission}/import/dispatch", tag = "imports", operation_id = "import_dispatch",
    params(("mission" = MissionId, Path), Reading), request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportReport), (status = "4XX", body = Problem)))]
async fn dispatch(
    State(app): Shared,
    At(mission): At<MissionId>,
    Asked(reading): Asked<Reading>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<ImportReport>, ApiError> {
    let bytes = body.map_err(|_| ApiError::TooLarge { max: IMPORT_BYTES_MAX })?;
    found(app.handle.read(move |views| views.mission_by_id(mission)).await?, "mission", mission)?;
    let import = tokio::task::spawn_blocking(move || {
        let mapping = reading.mapping.as_deref().map_or_else(|| Ok(Mapping::san_francisco()), Mapping::parse)?;
        read_dispatch(&bytes, &mapping, mission)
    });
    let import = import.await.map_err(|_| ApiError::BadRequest("the file could not be read".to_owned()))??;
    Ok(Json(app.take_dispatch(mission, import).await?))
}

/// How to read a track.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TrackReading {
    /// `auto`, `gpx`, `nmea` or `csv`; told by the content if absent.
    format: Option<String>,
    /// Name of the file, kept as the source of the fixes.
    name: Option<String>,
}

/// Imports a track (GPX, NMEA log, CSV). What cannot be read is named by its line; a second import changes nothing.
#[utoipa::path(post, path = "/missions/{mission}/units/{unit}/import/track", tag = "imports", operation_id = "import_track",
    params(("mission" = MissionId, Path), ("unit" = UnitId, Path), TrackReading),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = ImportReport), (status = "4XX", body = Problem)))]
async fn track(
    State(app): Shared,
    At((mission, unit)): At<(MissionId, UnitId)>,
    Asked(reading): Asked<TrackReading>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<ImportReport>, ApiError> {
    let bytes = body.map_err(|_| ApiError::TooLarge { max: IMPORT_BYTES_MAX })?;
    let name = reading.name.unwrap_or_default();
    let format = match reading.format.as_deref() {
        None | Some("auto") => sniff(&name, &bytes)?,
        Some("gpx") => TrackFormat::Gpx,
        Some("nmea") => TrackFormat::Nmea,
        Some("csv") => TrackFormat::Csv,
        Some(other) => {
            return Err(ApiError::BadRequest(format!("`{other}` is no format; it is one of: auto, gpx, nmea, csv")));
        }
    };
    let import = tokio::task::spawn_blocking(move || format.read(&bytes));
    let import = import.await.map_err(|_| ApiError::BadRequest("the file could not be read".to_owned()))??;
    let source = format!("{}:{name}", format.as_str());
    let mut fixes = import.fixes;
    fixes.sort_by_key(|fix| fix.at_ms);
    fixes.dedup_by_key(|fix| fix.at_ms);
    let mut report = ImportReport {
        rows: import.rows,
        rejected: import.rejected,
        rejected_total: import.rejected_total,
        ..ImportReport::default()
    };
    for chunk in fixes.chunks(TRACK_FIXES_MAX) {
        let fresh = app.append(mission, unit, &source, chunk).await?;
        report.created += fresh;
        report.unchanged += chunk.len() as u64 - fresh;
    }
    Ok(Json(report))
}

impl App {
    /// Appends fixes; gives how many the track did not have.
    async fn append(
        &self,
        mission: MissionId,
        unit: UnitId,
        source: &str,
        fixes: &[holdfast_domain::track::Fix],
    ) -> Result<u64, ApiError> {
        let (from, to) = (fixes.first().map(|fix| fix.at_ms), fixes.last().map(|fix| fix.at_ms));
        let filter = holdfast_domain::query::TrackFilter { from_ms: from, to_ms: to };
        let page = holdfast_domain::query::PageRequest::new(Some(1), None);
        let (asked, paged) = (filter, page.clone());
        let before = self.handle.read(move |views| views.track_list(unit, &asked, &paged)).await?.total;
        let new = TrackNew { source: source.to_owned(), fixes: fixes.to_vec() };
        let outcomes = self.handle.edit(vec![Edit::TrackAppend(mission, unit, new)], EditOptions::default()).await?;
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let after = self.handle.read(move |views| views.track_list(unit, &filter, &page)).await?.total;
        Ok(after - before)
    }

    /// Takes a dispatch table in: incidents, then units, then who was last sent where, for units that are new here.
    async fn take_dispatch(&self, mission: MissionId, import: DispatchImport) -> Result<ImportReport, ApiError> {
        let mut report = ImportReport {
            rows: import.rows,
            rejected: import.rejected,
            rejected_total: import.rejected_total,
            ..ImportReport::default()
        };
        let incidents = import.incidents.into_iter().map(|(_, new)| Edit::IncidentOpen(mission, new)).collect();
        self.take(incidents, &mut report).await?;
        let units = import.units.into_iter().map(|(_, new)| Edit::UnitAdd(mission, new)).collect();
        let fresh = self.take(units, &mut report).await?;
        let last: BTreeMap<UnitId, IncidentId> = import.commitments.into_iter().collect();
        let sent = last
            .into_iter()
            .filter(|(unit, _)| fresh.contains(&RecordId::Unit(*unit)))
            .map(|(unit, incident)| {
                let status = Some(UnitStatus::Dispatched);
                let change = UnitChange { incident: Change::Set(incident), status, ..UnitChange::default() };
                Edit::UnitChange(mission, unit, change)
            })
            .collect();
        // A unit's commitment belongs to its making; the report counts records, not steps.
        self.take(sent, &mut ImportReport::default()).await?;
        Ok(report)
    }

    /// Makes edits gesture by gesture; gives the records that are new.
    async fn take(&self, edits: Vec<Edit>, report: &mut ImportReport) -> Result<BTreeSet<RecordId>, ApiError> {
        let mut fresh = BTreeSet::new();
        let mut edits = edits.into_iter().peekable();
        while edits.peek().is_some() {
            let gesture: Vec<Edit> = edits.by_ref().take(GESTURE_EDITS_MAX).collect();
            for outcome in self.handle.edit(gesture, EditOptions::default()).await? {
                let outcome = outcome?;
                match outcome.effect {
                    EditEffect::Created => {
                        report.created += 1;
                        fresh.insert(outcome.record);
                    }
                    EditEffect::Changed => report.changed += 1,
                    EditEffect::Unchanged => report.unchanged += 1,
                }
            }
        }
        Ok(fresh)
    }
}
