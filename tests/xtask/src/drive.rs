//! Simulated driving: the shortest way along the real street network from a station to a call, at a given speed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use petgraph::algo::astar;
use petgraph::graph::{NodeIndex, UnGraph};
use serde_json::Value;

/// Longitude and latitude in degrees.
pub(crate) type Point = (f64, f64);

/// The street network.
pub(crate) struct Streets {
    graph: UnGraph<Point, f64>,
}

/// Metres between two points; flat-earth, which within a city is right to a metre.
pub(crate) fn metres(a: Point, b: Point) -> f64 {
    const METRES_PER_DEGREE: f64 = 111_320.0;
    let east = (b.0 - a.0) * METRES_PER_DEGREE * a.1.to_radians().cos();
    let north = (b.1 - a.1) * METRES_PER_DEGREE;
    east.hypot(north)
}

fn coordinates(value: &Value) -> Option<Point> {
    Some((value.get(0)?.as_f64()?, value.get(1)?.as_f64()?))
}

fn features(path: &Path) -> Result<Vec<Value>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut value: Value = serde_json::from_slice(&bytes)?;
    match value["features"].take() {
        Value::Array(features) => Ok(features),
        _ => anyhow::bail!("{} has no features", path.display()),
    }
}

impl Streets {
    /// Reads line strings; lines that share a vertex (to 1e-5 degree, about a metre) are joined there.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut graph = UnGraph::new_undirected();
        let mut places: BTreeMap<(i64, i64), NodeIndex> = BTreeMap::new();
        for feature in features(path)? {
            let line: Vec<Point> = feature["geometry"]["coordinates"]
                .as_array()
                .map(|points| points.iter().filter_map(coordinates).collect())
                .unwrap_or_default();
            let nodes: Vec<NodeIndex> = line
                .iter()
                .map(|&point| {
                    let key = ((point.0 * 1e5).round() as i64, (point.1 * 1e5).round() as i64);
                    *places.entry(key).or_insert_with(|| graph.add_node(point))
                })
                .collect();
            for pair in nodes.windows(2) {
                let length = metres(graph[pair[0]], graph[pair[1]]);
                graph.add_edge(pair[0], pair[1], length);
            }
        }
        Ok(Self { graph })
    }

    fn nearest(&self, point: Point) -> Option<NodeIndex> {
        self.graph.node_indices().min_by(|&a, &b| metres(self.graph[a], point).total_cmp(&metres(self.graph[b], point)))
    }

    /// The way from one point to another by street; `None` if no street leads there.
    pub(crate) fn way(&self, from: Point, to: Point) -> Option<Vec<Point>> {
        let (start, goal) = (self.nearest(from)?, self.nearest(to)?);
        let end = self.graph[goal];
        let (_, way) = astar(
            &self.graph,
            start,
            |node| node == goal,
            |edge| *edge.weight(),
            |node| metres(self.graph[node], end),
        )?;
        Some(way.into_iter().map(|node| self.graph[node]).collect())
    }
}

/// Station number to place.
pub(crate) fn stations(path: &Path) -> Result<BTreeMap<String, Point>> {
    let stations = features(path)?;
    Ok(stations
        .iter()
        .filter_map(|feature| {
            let number = feature["properties"]["station"].as_str()?;
            Some((number.to_owned(), coordinates(&feature["geometry"]["coordinates"])?))
        })
        .collect())
}

/// A position on the way, with the course there in degrees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) at: Point,
    pub(crate) course_deg: f64,
}

/// Places along a way, one for each `stride_m` metres, and the end.
pub(crate) fn steps(way: &[Point], stride_m: f64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut carried = 0.0;
    for pair in way.windows(2) {
        let length = metres(pair[0], pair[1]);
        let course_deg = course(pair[0], pair[1]);
        let mut along = stride_m - carried;
        while along <= length && length > 0.0 {
            let part = along / length;
            let at = (pair[0].0 + (pair[1].0 - pair[0].0) * part, pair[0].1 + (pair[1].1 - pair[0].1) * part);
            steps.push(Step { at, course_deg });
            along += stride_m;
        }
        carried = length - (along - stride_m);
    }
    if let [.., before, last] = way {
        steps.push(Step { at: *last, course_deg: course(*before, *last) });
    }
    steps
}

fn course(a: Point, b: Point) -> f64 {
    let east = (b.0 - a.0) * a.1.to_radians().cos();
    let north = b.1 - a.1;
    east.atan2(north).to_degrees().rem_euclid(360.0)
}
