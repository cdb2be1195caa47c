//! What is refused, in the words of Knative's webhook, with the paths and lines of the fields.

mod annotations;
mod names_and_traffic;
mod pods;

use std::time::SystemTime;

use forebay_knative::world::Config;
use forebay_knative::{World, manifest};

const BASE: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
spec:
  template:
    metadata:
      annotations: {}
    spec:
      containers:
      - image: hello:1
";

/// All that is said of the last document, a line each, with the line of the first path in front.
fn said(text: &str) -> Vec<String> {
    let mut world = World::new(Config::default());
    let mut said = Vec::new();
    for document in manifest::parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}")) {
        said = match world.apply(document.object, SystemTime::UNIX_EPOCH) {
            Ok(applied) => applied.warnings.iter().map(|warning| format!("warning: {warning}")).collect(),
            Err(invalid) => invalid
                .0
                .iter()
                .map(|error| format!("{}: {error}", manifest::locate(text, document.index, &error.paths[0])))
                .collect(),
        };
    }
    said
}

/// With one line changed.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from));
    said(&BASE.replace(from, to))
}

fn spec(lines: &str) -> Vec<String> {
    with("    spec:\n", &format!("    spec:\n{lines}"))
}

fn container(lines: &str) -> Vec<String> {
    with("image: hello:1", &format!("image: hello:1\n{lines}"))
}

fn traffic(lines: &str) -> Vec<String> {
    said(&format!("{BASE}  traffic:\n{lines}"))
}

fn annotation(key: &str, value: &str) -> Vec<String> {
    with("annotations: {}", &format!("annotations:\n        {key}: {value:?}"))
}
