//! Manifests as people write them, built from what a test cares about.

use std::fmt::{self, Display};

use super::FOREBAY;
use super::process::MARK;

/// A Knative Service that runs the sample app.
#[derive(Clone)]
pub struct Service {
    name: String,
    revision: Option<String>,
    annotations: Vec<(String, String)>,
    image: String,
    command: Vec<String>,
    env: Vec<(String, String)>,
    port: Option<(String, u16)>,
    concurrency: Option<u32>,
    timeout: Option<u32>,
    traffic: Vec<String>,
}

/// `hello` in the namespace `default`, at zero until somebody asks.
pub fn hello(mark: &str) -> Service {
    service("hello", mark)
}

pub fn service(name: &str, mark: &str) -> Service {
    Service {
        name: name.to_owned(),
        revision: None,
        annotations: vec![(format!("{AUTOSCALING}/initial-scale"), "0".to_owned())],
        image: "example.com/hello:1".to_owned(),
        command: [FOREBAY, "sample", "hello"].map(str::to_owned).to_vec(),
        env: vec![(MARK.to_owned(), mark.to_owned())],
        port: None,
        concurrency: None,
        timeout: None,
        traffic: Vec::new(),
    }
}

impl Service {
    pub fn revision(mut self, name: &str) -> Self {
        self.revision = Some(name.to_owned());
        self.env("TARGET", name)
    }

    /// An annotation of the revision, `autoscaling.knative.dev/` left out.
    pub fn scaling(self, name: &str, value: &str) -> Self {
        self.annotation(&format!("{AUTOSCALING}/{name}"), value)
    }

    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.retain(|(known, _)| known != name);
        self.annotations.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Empty: none, so that `--image` decides.
    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    pub fn image(mut self, image: &str) -> Self {
        self.image = image.to_owned();
        self
    }

    pub fn h2c(mut self) -> Self {
        self.port = Some(("h2c".to_owned(), 8080));
        self
    }

    pub fn concurrency(mut self, limit: u32) -> Self {
        self.concurrency = Some(limit);
        self
    }

    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout = Some(seconds);
        self
    }

    pub fn latest(self, percent: u32) -> Self {
        self.target(&format!("latestRevision: true, percent: {percent}"))
    }

    pub fn to(self, revision: &str, percent: u32) -> Self {
        self.target(&format!("revisionName: {revision}, percent: {percent}"))
    }

    pub fn tagged(self, revision: &str, tag: &str) -> Self {
        self.target(&format!("revisionName: {revision}, tag: {tag}, percent: 0"))
    }

    fn target(mut self, fields: &str) -> Self {
        self.traffic.push(format!("{{{fields}}}"));
        self
    }
}

impl Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "apiVersion: serving.knative.dev/v1\nkind: Service")?;
        writeln!(f, "metadata: {{name: {}}}\nspec:\n  template:\n    metadata:", self.name)?;
        if let Some(revision) = &self.revision {
            writeln!(f, "      name: {revision}")?;
        }
        writeln!(f, "      annotations:")?;
        for (name, value) in &self.annotations {
            writeln!(f, "        {name}: {value:?}")?;
        }
        writeln!(f, "    spec:")?;
        if let Some(limit) = self.concurrency {
            writeln!(f, "      containerConcurrency: {limit}")?;
        }
        if let Some(seconds) = self.timeout {
            writeln!(f, "      timeoutSeconds: {seconds}")?;
        }
        writeln!(f, "      containers:\n      - image: {}", self.image)?;
        if !self.command.is_empty() {
            writeln!(f, "        command: {:?}", self.command)?;
        }
        if let Some((name, port)) = &self.port {
            writeln!(f, "        ports: [{{name: {name}, containerPort: {port}}}]")?;
        }
        writeln!(f, "        env:")?;
        for (name, value) in &self.env {
            writeln!(f, "        - {{name: {name}, value: {value:?}}}")?;
        }
        if !self.traffic.is_empty() {
            writeln!(f, "  traffic:")?;
        }
        for target in &self.traffic {
            writeln!(f, "  - {target}")?;
        }
        Ok(())
    }
}

/// Several documents of one file, applied in this order.
pub fn documents(services: &[Service]) -> String {
    services.iter().map(Service::to_string).collect::<Vec<_>>().join("---\n")
}

const AUTOSCALING: &str = "autoscaling.knative.dev";
