//! `cargo xtask demo`: a hub and three nodes on real fire calls part, edit on both sides, meet and agree.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_cluster::api::Api;
use holdfast_cluster::fleet::Fleet;
use holdfast_linkem::relay::Profile;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::drive::{self, Streets};

/// Options of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ends after the story: 0 only if all nodes agree and nothing acknowledged is missing.
    #[arg(long)]
    exit: bool,
    /// Units that drive.
    #[arg(long, default_value_t = 6)]
    units: usize,
}

const HUB: usize = 0;
const ENGINE: usize = 1;
const TRUCK: usize = 2;
const MEDIC: usize = 3;
const ALL: [usize; 4] = [HUB, ENGINE, TRUCK, MEDIC];
/// Long enough for a loaded machine; the story prints how long it took.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than a silent link is kept, so that the sides truly lose each other and must find each other again.
const CUT: Duration = Duration::from_secs(8);

/// What was acknowledged to somebody, by kind, and must be found everywhere at the end.
#[derive(Default)]
struct Acknowledged {
    records: BTreeMap<&'static str, Vec<String>>,
}

impl Acknowledged {
    fn take(&mut self, kind: &'static str, item: &Value) -> Result<String> {
        let id = item["id"].as_str().with_context(|| format!("a {kind} without id: {item}"))?.to_owned();
        self.records.entry(kind).or_default().push(id.clone());
        Ok(id)
    }
}

struct Demo {
    fleet: Fleet,
    mission: String,
    acknowledged: Acknowledged,
}

fn say(text: &str) {
    println!("{text}");
}

fn scene(number: u32, title: &str) {
    println!("\n{number}. {title}");
}

fn spinner(text: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

pub(crate) fn run(args: &Args) -> Result<()> {
    crate::test::cargo(&["build", "--locked", "-p", "holdfast-node", "-p", "holdfast-hub"], &[])?;
    let start = Instant::now();
    let home = tempfile::Builder::new().prefix("holdfast-demo-").tempdir()?;
    let mut demo = gather(home.path())?;
    demo.import()?;
    demo.drive(args.units)?;
    demo.gps_log()?;
    demo.part_and_edit()?;
    demo.meet()?;
    demo.account()?;
    say(&format!("\nThe story took {:.1} s.", start.elapsed().as_secs_f64()));
    if !args.exit {
        demo.stay()?;
    }
    Ok(())
}

fn gather(home: &std::path::Path) -> Result<Demo> {
    scene(1, "A command post and three vehicles, each its own process with its own database");
    let bar = spinner("founding the org, enrolling three devices");
    let mut fleet = Fleet::found(home, Profile::clear())?;
    fleet.join("engine-7", &[HUB])?;
    fleet.join("truck-3", &[HUB, ENGINE])?;
    fleet.join("medic-17", &[HUB, ENGINE, TRUCK])?;
    bar.finish_and_clear();
    for member in &fleet.members {
        say(&format!(
            "   {:<9} {}  (peers on UDP {})",
            member.name,
            member.process.api.base(),
            member.process.peer_address
        ));
    }
    let new = json!({"name": "San Francisco, January 2002", "objective": "Answer every call"});
    let mission = fleet.members[HUB].process.api.post("/missions", &new)?.ok()?;
    let mut acknowledged = Acknowledged::default();
    let mission = acknowledged.take("missions", &mission)?;
    Ok(Demo { fleet, mission, acknowledged })
}

fn fixture(name: &str) -> PathBuf {
    crate::test::root().join("tests/fixtures").join(name)
}

impl Demo {
    fn api(&self, place: usize) -> &Api {
        &self.fleet.members[place].process.api
    }

    fn name(&self, place: usize) -> &str {
        &self.fleet.members[place].name
    }

    fn path(&self, rest: &str) -> String {
        format!("/missions/{}{rest}", self.mission)
    }

    fn entries(&self) -> Result<u64> {
        let status = self.fleet.status(HUB)?;
        Ok(status["entries"].as_u64().unwrap_or(0))
    }

    fn import(&mut self) -> Result<()> {
        scene(2, "Real calls: San Francisco Fire Department, January and February 2002 (DataSF, public domain)");
        let bytes = std::fs::read(fixture("sf/sf-fire-calls.csv"))?;
        let bar = spinner("importing at the hub");
        let started = Instant::now();
        let report = self.api(HUB).upload(&self.path("/import/dispatch"), "text/csv", &bytes)?.ok()?;
        let took = started.elapsed();
        let spread = self.fleet.converge(&ALL, PATIENCE)?;
        bar.finish_and_clear();
        say(&format!(
            "   {} rows: {} records made, {} rows left out; {:.2} s to import, {:.2} s later all four hold them",
            report["rows"],
            report["created"],
            report["rejected_total"],
            took.as_secs_f64(),
            spread.as_secs_f64()
        ));
        for row in report["rejected"].as_array().into_iter().flatten().take(3) {
            say(&format!("     line {}: {}", row["line"], row["reason"].as_str().unwrap_or_default()));
        }
        let again = self.api(TRUCK).upload(&self.path("/import/dispatch"), "text/csv", &bytes)?.ok()?;
        say(&format!("   the same file again, on truck-3: {} made, {} changed", again["created"], again["changed"]));
        ensure!(again["created"] == 0 && again["changed"] == 0, "a second import must change nothing: {again}");
        for kind in ["incidents", "units"] {
            for item in self.api(HUB).all(&self.path(&format!("/{kind}")))? {
                self.acknowledged.take(if kind == "incidents" { "incidents" } else { "units" }, &item)?;
            }
        }
        Ok(())
    }

    fn drive(&mut self, count: usize) -> Result<()> {
        scene(3, "Units drive from their station to their call along the real street network (simulated driving)");
        let bar = spinner("reading 15,585 street segments");
        let streets = Streets::read(&fixture("sf/street_segments.geojson"))?;
        let stations = drive::stations(&fixture("sf/fire_stations.geojson"))?;
        let incidents: BTreeMap<String, Value> = self
            .api(HUB)
            .all(&self.path("/incidents"))?
            .into_iter()
            .filter_map(|incident| Some((incident["id"].as_str()?.to_owned(), incident)))
            .collect();
        let mut trips = Vec::new();
        for unit in self.api(HUB).all(&self.path("/units"))? {
            if trips.len() == count {
                break;
            }
            let Some(incident) = unit["incident"].as_str().and_then(|id| incidents.get(id)) else { continue };
            let home = unit["home"].as_str().unwrap_or_default();
            let (Some(from), Some(lat), Some(lon)) =
                (stations.get(home), incident["position"]["lat"].as_f64(), incident["position"]["lon"].as_f64())
            else {
                continue;
            };
            let Some(way) = streets.way(*from, (lon, lat)) else { continue };
            let length: f64 = way.windows(2).map(|pair| drive::metres(pair[0], pair[1])).sum();
            if length > 300.0 {
                trips.push((unit, incident.clone(), drive::steps(&way, length / 12.0), length));
            }
        }
        bar.finish_and_clear();
        ensure!(!trips.is_empty(), "no unit of the calls has a way to its incident");
        let bar = ProgressBar::new(trips.iter().map(|(_, _, steps, _)| steps.len() as u64).sum());
        bar.set_style(ProgressStyle::with_template("   {bar:30} {pos}/{len} positions")?);
        let now_ms = self.fleet.status(HUB)?["wall_ms"].as_u64().context("a node tells its clock")?;
        for (index, (unit, _, steps, _)) in trips.iter().enumerate() {
            let id = unit["id"].as_str().context("a unit has an id")?;
            let reporter = ALL[1 + index % 3];
            for (tick, step) in steps.iter().enumerate() {
                let fix = json!({
                    "at_ms": now_ms + tick as u64 * 1000,
                    "position": {"lat": step.at.1, "lon": step.at.0},
                    "speed_cm_s": 1200,
                    "course_cdeg": (step.course_deg * 100.0) as u64,
                });
                self.api(reporter).put(&self.path(&format!("/units/{id}/position")), &fix)?.ok()?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let spread = self.fleet.converge(&ALL, PATIENCE)?;
        for (unit, incident, _, length) in &trips {
            say(&format!(
                "   {:<5} station {} → {} ({}), {:.1} km",
                unit["callsign"].as_str().unwrap_or_default(),
                unit["home"].as_str().unwrap_or_default(),
                incident["address"].as_str().unwrap_or_default(),
                incident["kind"].as_str().unwrap_or_default(),
                length / 1000.0
            ));
        }
        let shown = self.api(HUB).all(&self.path("/positions"))?.len();
        say(&format!("   the hub shows {shown} units, {:.2} s after the last report", spread.as_secs_f64()));
        Ok(())
    }

    fn gps_log(&mut self) -> Result<()> {
        scene(4, "A real GPS log (SiRF-II receiver, gpsd project, BSD-2) is imported on truck-3");
        let new = json!({"callsign": "CAR-1", "kind": "CAR", "home": ""});
        let unit = self.api(TRUCK).post(&self.path("/units"), &new)?.ok()?;
        let unit = self.acknowledged.take("units", &unit)?;
        let bytes = std::fs::read(fixture("nmea/haicom-305N.log"))?;
        let path = self.path(&format!("/units/{unit}/import/track?format=auto"));
        let report = self.api(TRUCK).upload(&path, "application/octet-stream", &bytes)?.ok()?;
        self.fleet.converge(&ALL, PATIENCE)?;
        let fixes = self.api(MEDIC).all(&self.path(&format!("/units/{unit}/track")))?.len();
        say(&format!("   {} fixes imported, {fixes} of them on medic-17 now", report["created"]));
        ensure!(report["created"] == fixes, "medic-17 lacks fixes: {report}");
        Ok(())
    }

    fn part_and_edit(&mut self) -> Result<()> {
        let units = self.api(HUB).all(&self.path("/units"))?;
        let unit = |index: usize| units[index]["id"].clone();
        let mut tasks = Vec::new();
        for title in ["Search the second floor", "Lay a supply line", "Ventilate the roof"] {
            let task = self.api(HUB).post(&self.path("/tasks"), &json!({"title": title}))?.ok()?;
            tasks.push(self.acknowledged.take("tasks", &task)?);
        }
        self.fleet.converge(&ALL, PATIENCE)?;

        scene(5, "The mesh is cut in two: hub + engine-7 | truck-3 + medic-17. Both sides go on working");
        self.fleet.part(&[HUB, ENGINE], &[TRUCK, MEDIC]);
        let task = |id: &str| self.path(&format!("/tasks/{id}"));
        self.api(ENGINE).patch(&task(&tasks[0]), &json!({"assignee": unit(0)}))?.ok()?;
        self.api(TRUCK).patch(&task(&tasks[0]), &json!({"assignee": unit(1)}))?.ok()?;
        self.api(HUB).delete(&task(&tasks[1]))?.ok()?;
        self.api(MEDIC)
            .patch(&task(&tasks[1]), &json!({"details": "Hydrant at the corner is dry, use the next"}))?
            .ok()?;
        self.api(MEDIC).patch(&task(&tasks[2]), &json!({"status": "accepted", "assignee": unit(2)}))?.ok()?;
        for (place, text) in [
            (ENGINE, "Engine 7 searches the second floor"),
            (TRUCK, "Truck 3 searches the second floor"),
            (MEDIC, "Two patients, none critical"),
            (HUB, "Second alarm requested"),
        ] {
            let message = self.api(place).post(&self.path("/messages"), &json!({"text": text}))?.ok()?;
            self.acknowledged.take("messages", &message)?;
        }
        let new = json!({"kind": "Structure Fire", "address": "Rear of the block", "priority": 1});
        let incident = self.api(TRUCK).post(&self.path("/incidents"), &new)?.ok()?;
        self.acknowledged.take("incidents", &incident)?;
        let at_ms = self.fleet.status(MEDIC)?["wall_ms"].as_u64().context("a node tells its clock")? + 60_000;
        let unit_3 = unit(3);
        let path = self.path(&format!("/units/{}/position", unit_3.as_str().unwrap_or_default()));
        let fix = json!({"at_ms": at_ms, "position": {"lat": 37.78, "lon": -122.42}});
        self.api(MEDIC).put(&path, &fix)?.ok()?;

        let sides = [vec![HUB, ENGINE], vec![TRUCK, MEDIC]];
        for side in &sides {
            self.fleet.converge(side, PATIENCE)?;
        }
        say("   what each side sees:");
        for side in sides {
            let names: Vec<&str> = side.iter().map(|&place| self.name(place)).collect();
            let api = self.api(side[0]);
            let task = api.get(&self.path(&format!("/tasks/{}", tasks[0])))?;
            let assignee = units.iter().find(|unit| unit["id"] == task["assignee"]);
            let deleted = !api.get(&self.path(&format!("/tasks/{}", tasks[1])))?["deleted"].is_null();
            say(&format!(
                "     {:<20} {} messages, {} incidents; second floor: {}; supply line: {}",
                names.join(" + "),
                api.get(&self.path("/messages"))?["total"],
                api.get(&self.path("/incidents"))?["total"],
                assignee.and_then(|unit| unit["callsign"].as_str()).unwrap_or("nobody"),
                if deleted { "deleted" } else { "stands" },
            ));
        }
        Ok(())
    }

    fn meet(&mut self) -> Result<()> {
        let bar = spinner("the cut lasts until the links have noticed it");
        std::thread::sleep(CUT);
        bar.finish_and_clear();
        scene(6, "The sides meet again");
        let lacking: u64 = self.lacking()?;
        let (bytes_before, entries_before) = (self.fleet.wire_bytes(), self.entries()?);
        let bar = spinner("waiting for the links to come back");
        let healed = Instant::now();
        self.fleet.heal();
        self.fleet.converge(&ALL, PATIENCE)?;
        let took = healed.elapsed();
        bar.finish_and_clear();
        let bytes = self.fleet.wire_bytes() - bytes_before;
        let moved = self.entries()? - entries_before;
        say(&format!(
            "   all four agree {:.2} s after the cut was healed (finding the link again included)",
            took.as_secs_f64()
        ));
        say(&format!(
            "   {moved} entries came to the hub; {bytes} bytes on all wires, handshakes included, for {lacking} entries \
             that somebody lacked: {} bytes an entry",
            bytes / lacking.max(1)
        ));
        let conflicts = self.api(HUB).all(&self.path("/conflicts"))?;
        say(&format!("   {} conflicts that people must settle:", conflicts.len()));
        for conflict in &conflicts {
            self.show_conflict(conflict)?;
        }
        ensure!(conflicts.len() == 2, "the reassigned and the deleted task must be in conflict: {conflicts:?}");
        self.settle(&conflicts)
    }

    /// Entries that one node holds and another lacks, over both sides.
    fn lacking(&self) -> Result<u64> {
        let mut total = 0;
        for (place, others) in [(HUB, ["truck-3", "medic-17"]), (TRUCK, ["hub", "engine-7"])] {
            for peer in self.fleet.status(place)?["peers"].as_array().into_iter().flatten() {
                if peer["name"].as_str().is_some_and(|name| others.contains(&name)) {
                    total += peer["lacks"].as_u64().unwrap_or(0);
                }
            }
        }
        Ok(total)
    }

    fn show_conflict(&self, conflict: &Value) -> Result<()> {
        let (kind, id) = (conflict["record"]["kind"].as_str(), conflict["record"]["id"].as_str());
        let title = match (kind, id) {
            (Some("task"), Some(id)) => self.api(HUB).get(&self.path(&format!("/tasks/{id}")))?["title"].clone(),
            _ => Value::Null,
        };
        say(&format!("     task {title}: field `{}`", conflict["field"].as_str().unwrap_or_default()));
        for rival in conflict["rivals"].as_array().into_iter().flatten() {
            let value = rival["value"].as_str().unwrap_or_default();
            let unit = self.api(HUB).get(&self.path(&format!("/units/{value}"))).ok();
            let value = unit.and_then(|unit| unit["callsign"].as_str().map(str::to_owned)).unwrap_or(value.to_owned());
            let shown = if rival["shown"] == true { "   ← shown meanwhile" } else { "" };
            let author = ALL
                .iter()
                .find(|&&place| self.fleet.status(place).is_ok_and(|status| status["author"] == rival["author"]))
                .map_or("somebody", |&place| self.name(place));
            say(&format!("       {value:<10} by {author:<9}{shown}"));
        }
        Ok(())
    }

    fn settle(&self, conflicts: &[Value]) -> Result<()> {
        for conflict in conflicts {
            let rival = &conflict["rivals"][0];
            let body = json!({"record": conflict["record"], "field": conflict["field"], "choice": rival["choice"]});
            self.api(MEDIC).post(&self.path("/conflicts/resolve"), &body)?.ok()?;
        }
        let spread = self.fleet.converge(&ALL, PATIENCE)?;
        let left = self.api(HUB).all(&self.path("/conflicts"))?.len();
        ensure!(left == 0, "{left} conflicts are still open");
        say(&format!("   medic-17 settles them; {:.2} s later the hub has none open", spread.as_secs_f64()));
        Ok(())
    }

    fn account(&self) -> Result<()> {
        scene(7, "The account");
        let bar = spinner("looking for every acknowledged record on every node");
        let mut missing = Vec::new();
        for place in ALL {
            for (kind, ids) in &self.acknowledged.records {
                let list = if *kind == "missions" { "/missions".to_owned() } else { self.path(&format!("/{kind}")) };
                let deleted = if matches!(*kind, "messages") { "" } else { "?deleted=true" };
                let there: std::collections::BTreeSet<String> = self
                    .api(place)
                    .all(&format!("{list}{deleted}"))?
                    .iter()
                    .filter_map(|item| item["id"].as_str().map(str::to_owned))
                    .collect();
                missing.extend(ids.iter().filter(|id| !there.contains(*id)).map(|id| format!("{kind} {id}")));
            }
        }
        bar.finish_and_clear();
        let count: usize = self.acknowledged.records.values().map(Vec::len).sum();
        say(&format!("   {count} acknowledged records, looked for on {} nodes: {} missing", ALL.len(), missing.len()));
        let scopes =
            ALL.iter().map(|&place| Ok(self.fleet.status(place)?["scopes"].take())).collect::<Result<Vec<_>>>()?;
        for (place, scopes) in ALL.iter().zip(&scopes) {
            let print = scopes[&self.mission].as_str().unwrap_or("none");
            say(&format!("   {:<9} fingerprint {print}", self.name(*place)));
        }
        ensure!(missing.is_empty(), "missing: {missing:?}");
        ensure!(scopes.windows(2).all(|pair| pair[0] == pair[1]), "the nodes do not agree");
        Ok(())
    }

    fn stay(&self) -> Result<()> {
        say("\nThe nodes stay up. Look around, for example:");
        for member in &self.fleet.members {
            say(&format!("   {:<9} {}/api/v1/status", member.name, member.process.api.base()));
        }
        let data = self.fleet.members[ENGINE].process.data().display().to_string();
        let program = holdfast_cluster::process::Program::Node.path()?;
        say(&format!("   {} --data {data} status", program.display()));
        say(&format!("   {} --data {data} incident list --mission {}", program.display(), self.mission));
        say("Press Ctrl-C (or close the input) to end; the data directories go with it.");
        let mut line = String::new();
        while std::io::stdin().read_line(&mut line)? > 0 {
            line.clear();
        }
        Ok(())
    }
}
