//! A small client of a node's HTTP API.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A client with the node's address and token.
#[derive(Debug, Clone)]
pub struct Api {
    agent: ureq::Agent,
    base: String,
    token: String,
}

/// An answer: status and body (null where there is none).
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as JSON.
    pub body: Value,
}

impl Answer {
    /// The body of a success; otherwise the problem as an error.
    pub fn ok(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let detail = self.body["detail"].as_str().unwrap_or("no detail");
        bail!("status {}: {detail}", self.status)
    }
}

impl Api {
    /// A client for `http://{address}`.
    pub fn new(address: &str, token: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(std::time::Duration::from_secs(30)))
            .build();
        Self { agent: config.into(), base: format!("http://{address}"), token: token.to_owned() }
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token that opens it.
    pub fn token(&self) -> &str {
        &self.token
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = self.agent.get(self.url(path)).header("authorization", self.bearer()).call();
        read(answer, path)?.ok().with_context(|| format!("GET {path}"))
    }

    /// POST with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let answer = self.agent.post(self.url(path)).header("authorization", self.bearer()).send_json(body);
        read(answer, path)
    }

    /// PATCH with a JSON merge patch.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.agent.patch(self.url(path)).header("authorization", self.bearer());
        read(request.header("content-type", "application/merge-patch+json").send(body.to_string()), path)
    }

    /// PUT with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        let answer = self.agent.put(self.url(path)).header("authorization", self.bearer()).send_json(body);
        read(answer, path)
    }

    /// POST with a raw body, such as a file to import.
    pub fn upload(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        read(request.header("content-type", content_type).send(body), path)
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Result<Answer> {
        read(self.agent.delete(self.url(path)).header("authorization", self.bearer()).call(), path)
    }

    /// Every item of a list, page by page.
    pub fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let at = cursor.as_ref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let mut page = self.get(&format!("{path}{mark}limit=500{at}"))?;
            if let Value::Array(rows) = page["items"].take() {
                items.extend(rows);
            }
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>, path: &str) -> Result<Answer> {
    let mut answer = answer.with_context(|| format!("no answer for {path}"))?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
    Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
}
