//! The house keeps its floors: arrows between crates go down only, files stay readable, banned crates stay out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// ARCHITECTURE.md, "The house". A crate may use what is on lower floors.
const FLOORS: &[(&str, u8)] = &[
    ("forebay", 6),
    ("forebay-load", 6),
    ("forebay-gateway", 5),
    ("forebay-queue", 5),
    ("forebay-xds-control", 5),
    ("forebay-local", 5),
    ("forebay-engine", 4),
    ("forebay-upstream", 3),
    ("forebay-telemetry", 3),
    ("forebay-autoscaler", 3),
    ("forebay-http", 2),
    ("forebay-model", 2),
    ("forebay-xds-client", 2),
    ("forebay-xds-server", 2),
    ("forebay-net", 1),
    ("forebay-route", 1),
    ("forebay-balance", 1),
    ("forebay-xds-wire", 1),
    ("forebay-knative", 1),
    ("forebay-format", 0),
    ("forebay-proto", 0),
    ("forebay-report", 0),
    ("forebay-base", 0),
];

/// What must not be built in: cryptography has one provider, and TLS one implementation.
const BANNED: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls"];

/// Three hundred is the aim; a file beyond this has two subjects.
const MOST_LINES: usize = 400;

/// A list of cases has one subject however long it is, but not without end.
const MOST_LINES_OF_TESTS: usize = 450;

/// Crates whose neighbours must not be seen in a file's dependencies, whatever the floor says.
const STRANGERS: &[(&str, &[&str])] = &[
    ("forebay-route", &["tokio", "prost", "envoy-types", "forebay-proto"]),
    ("forebay-balance", &["tokio", "prost", "envoy-types", "forebay-proto"]),
    ("forebay-xds-wire", &["tokio", "tonic"]),
    ("forebay-knative", &["tokio", "envoy-types", "forebay-proto"]),
    ("forebay-http", &["hyper", "envoy-types", "forebay-proto"]),
    ("forebay-engine", &["envoy-types", "forebay-proto", "tonic"]),
    ("forebay-upstream", &["envoy-types", "forebay-proto"]),
    (
        "forebay-queue",
        &["hyper", "h2", "envoy-types", "forebay-proto", "tonic", "forebay-engine", "forebay-model"],
    ),
    ("forebay-base", &["tokio", "prost"]),
];

#[test]
fn every_crate_has_its_floor() {
    let floors = floors();
    for (name, _) in packages() {
        assert!(
            floors.contains_key(name.as_str()),
            "{name} is on no floor; name it in ARCHITECTURE.md and here"
        );
    }
}

#[test]
fn no_arrow_goes_up_or_sideways() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (name, dependencies) in packages() {
        for dependency in dependencies {
            let (Some(from), Some(to)) = (floors.get(name.as_str()), floors.get(dependency.as_str())) else {
                continue;
            };
            if to >= from {
                wrong.push(format!("{name} (floor {from}) uses {dependency} (floor {to})"));
            }
        }
    }
    assert!(wrong.is_empty(), "these go up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn crates_do_not_know_what_they_must_not() {
    let packages: BTreeMap<String, Vec<String>> = packages().into_iter().collect();
    let mut wrong = Vec::new();
    for (name, strangers) in STRANGERS {
        let known = packages.get(*name).map(Vec::as_slice).unwrap_or_default();
        wrong.extend(
            known.iter().filter(|one| strangers.contains(&one.as_str())).map(|one| format!("{name}: {one}")),
        );
    }
    assert!(wrong.is_empty(), "these must not be known there:\n{}", wrong.join("\n"));
}

#[test]
fn banned_crates_stay_out() {
    for banned in BANNED {
        // The lock file also names what no feature turns on, so cargo is asked who builds it.
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--workspace",
                "--offline",
                "--target",
                "all",
                "--edges",
                "all",
                "--invert",
                banned,
            ])
            .current_dir(root())
            .output()
            .unwrap();
        let users = String::from_utf8_lossy(&tree.stdout);
        assert!(users.trim().is_empty(), "{banned} is built in: {users}");
    }
}

#[test]
fn files_stay_readable_in_one_sitting() {
    let mut long = Vec::new();
    for file in sources(root()) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let within = file.strip_prefix(root()).unwrap();
        let tests =
            within.ends_with("tests.rs") || within.components().any(|part| part.as_os_str() == "tests");
        if lines > if tests { MOST_LINES_OF_TESTS } else { MOST_LINES } {
            long.push(format!("{}: {lines} lines", within.display()));
        }
    }
    assert!(
        long.is_empty(),
        "longer than {MOST_LINES} lines ({MOST_LINES_OF_TESTS} of tests):\n{}",
        long.join("\n")
    );
}

#[test]
fn every_source_file_says_what_it_owns() {
    let owned = |file: &PathBuf| !file.components().any(|part| part.as_os_str() == "tests");
    let silent: Vec<_> = sources(root())
        .into_iter()
        .filter(owned)
        .filter(|file| file.file_name().is_some_and(|name| name != "tests.rs"))
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "no module documentation in {silent:#?}");
}

fn floors() -> BTreeMap<&'static str, u8> {
    FLOORS.iter().copied().collect()
}

/// Each package of the workspace with what it is built from; tests may look anywhere.
fn packages() -> Vec<(String, Vec<String>)> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let built_from = dependencies.filter(|dependency| dependency["kind"] != "dev");
            (text(&package["name"]), built_from.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
