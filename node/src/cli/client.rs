//! How a command reaches the node that runs on a data directory: by its local API, with its token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `run` writes down for as long as the node runs, for its owner alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunFile {
    /// Process id.
    pub pid: u32,
    /// Address of the HTTP API.
    pub http: String,
    /// UDP address for peers.
    pub peer: String,
    /// UDP address for enrolment, where the authority is held.
    pub enrol: Option<String>,
}

/// No node runs on the data directory.
#[derive(Debug, thiserror::Error)]
#[error("no node is running on {}; start it with: holdfast --data {} run", .data.display(), .data.display())]
pub struct NoNode {
    /// The data directory.
    pub data: PathBuf,
}

/// Where [`RunFile`] lies.
pub fn run_file(data: &Path) -> PathBuf {
    data.join("run.json")
}

/// Where the token of the API lies.
pub fn token_file(data: &Path) -> PathBuf {
    data.join("api-token")
}

/// A client of the local API.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    token: String,
    data: PathBuf,
}

impl Client {
    /// A client of the node that runs on this data directory.
    pub fn of(data: &Path) -> Result<Self> {
        let no_node = || NoNode { data: data.to_owned() };
        let run = std::fs::read(run_file(data)).map_err(|_| no_node())?;
        let run: RunFile = serde_json::from_slice(&run).map_err(|_| no_node())?;
        let token = std::fs::read_to_string(token_file(data)).with_context(|| {
            format!("{} cannot be read; commands must run as the user of the node", token_file(data).display())
        })?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .build();
        Ok(Self {
            agent: config.into(),
            base: format!("http://{}/api/v1", run.http),
            token: format!("Bearer {}", token.trim()),
            data: data.to_owned(),
        })
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(ureq::Error::ConnectionFailed | ureq::Error::Io(_)) => {
                return Err(NoNode { data: self.data.clone() }.into());
            }
            Err(error) => return Err(error).context("the node gave no answer"),
        };
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string()?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        match value["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("the node answered with status {status}"),
        }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.read(self.agent.get(format!("{}{path}", self.base)).header("authorization", &self.token).call())
    }

    /// POST with JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("authorization", &self.token);
        self.read(request.send_json(body))
    }

    /// PATCH with a merge patch.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.patch(format!("{}{path}", self.base)).header("authorization", &self.token);
        self.read(request.header("content-type", "application/merge-patch+json").send(body.to_string()))
    }

    /// PUT with JSON.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.put(format!("{}{path}", self.base)).header("authorization", &self.token);
        self.read(request.send_json(body))
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.read(self.agent.delete(format!("{}{path}", self.base)).header("authorization", &self.token).call())
    }

    /// POST with the bytes of a file.
    pub fn upload(&self, path: &str, kind: &str, body: &[u8]) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("authorization", &self.token);
        self.read(request.header("content-type", kind).send(body))
    }

    /// POST with a file, read as it is sent.
    pub fn upload_file(&self, path: &str, kind: &str, file: std::fs::File) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("authorization", &self.token);
        self.read(request.header("content-type", kind).send(file))
    }

    /// POST with JSON, answered with the bytes of a file.
    pub fn download(&self, path: &str, body: &Value) -> Result<Vec<u8>> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("authorization", &self.token);
        match request.send_json(body) {
            Ok(answer) if answer.status().is_success() => {
                Ok(answer.into_body().with_config().limit(256 << 20).read_to_vec()?)
            }
            answer => self.read(answer).and_then(|_| bail!("the node gave no file")),
        }
    }

    /// A stream of the API, read line by line.
    pub fn follow(&self, path: &str, after: Option<&str>) -> Result<impl std::io::Read + use<>> {
        let mut request = self.agent.get(format!("{}{path}", self.base)).header("authorization", &self.token);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        match request.call() {
            Ok(answer) if answer.status().is_success() => Ok(answer.into_body().into_reader()),
            Ok(answer) => bail!("the node answered with status {}", answer.status()),
            Err(_) => Err(NoNode { data: self.data.clone() }.into()),
        }
    }

    /// At most `limit` items of a list, page by page.
    pub fn list(&self, path: &str, limit: usize) -> Result<(Vec<Value>, u64)> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let rows = (limit - items.len()).min(500);
            let mark = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&format!("{path}{mark}limit={rows}{cursor}"))?;
            if let Value::Array(rows) = page["items"].take() {
                items.extend(rows);
            }
            match page["next"].as_str() {
                Some(next) if items.len() < limit => cursor = format!("&cursor={next}"),
                _ => return Ok((items, page["total"].as_u64().unwrap_or(0))),
            }
        }
    }

    /// The path of a mission named by id or by a name that is its alone. Without a name: the only mission there is.
    pub fn mission(&self, named: Option<&str>) -> Result<String> {
        let (missions, _) = self.list("/missions", usize::MAX)?;
        let fits = |mission: &&Value| match named {
            Some(name) => mission["id"] == name || mission["name"] == name,
            None => true,
        };
        let found: Vec<&Value> = missions.iter().filter(fits).collect();
        match (found.as_slice(), named) {
            ([one], _) => Ok(format!("/missions/{}", one["id"].as_str().unwrap_or_default())),
            ([], Some(name)) => bail!("there is no mission `{name}` here; `mission list` shows what there is"),
            ([], None) => bail!("there is no mission yet; open one with: mission open NAME"),
            (several, _) => bail!("{} missions fit; give the id of one with --mission", several.len()),
        }
    }

    /// The id of a record named by id or by a word that is its alone, such as a unit's callsign.
    pub fn id(&self, mission: &str, list: &str, word: &str, named: &str) -> Result<String> {
        let (items, _) = self.list(&format!("{mission}/{list}?deleted=true"), usize::MAX)?;
        let found: Vec<&Value> = items.iter().filter(|item| item["id"] == named || item[word] == named).collect();
        match found.as_slice() {
            [one] => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
            [] => bail!("there is nothing called `{named}` among the {list} of this mission"),
            several => bail!("{} of the {list} are called `{named}`; give the id of one", several.len()),
        }
    }
}

/// A word as it stands in a query.
pub fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}
