//! Defaults and rules of a revision's spec: containers, ports, variables, limits. Knows nothing of templates' names.

use super::names::is_dns_1123_label;
use super::{Checks, probe};
use crate::api::{Container, ContainerPort, EnvVar, Protocol, RevisionSpec};
use crate::manifest::draft::{ContainerDraft, EnvDraft, PodDraft, PortDraft};
use crate::path::Path;
use crate::world::Config;

/// `revision-timeout-seconds` and `revision-response-start-timeout-seconds` of Knative's config-defaults.
const TIMEOUT_SECONDS: i64 = 300;
/// `container-concurrency-max-limit` of Knative's config-defaults.
const MAX_CONCURRENCY: i64 = 1000;
/// `container-name-template` of Knative's config-defaults.
const CONTAINER_NAME: &str = "user-container";
/// What a container without a port is thought to listen on.
const DEFAULT_PORT: u16 = 8080;
/// Ports of the queue-proxy beside the program (its two data ports, admin, metrics, profiling).
const RESERVED_PORTS: &[i64] = &[8012, 8013, 8022, 9090, 9091, 8008];
/// Set by the platform.
const RESERVED_VARIABLES: &[&str] = &["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"];

pub(super) fn spec(draft: PodDraft, at: &Path<'_>, config: &Config, checks: &mut Checks) -> RevisionSpec {
    let concurrency = draft.container_concurrency.unwrap_or(0);
    if !(0..=MAX_CONCURRENCY).contains(&concurrency) {
        checks.out_of_bounds(0, concurrency, MAX_CONCURRENCY, &at.field("containerConcurrency"));
    }
    let timeout = match draft.timeout_seconds {
        None | Some(0) => TIMEOUT_SECONDS.min(config.max_timeout_seconds.into()),
        Some(seconds) => seconds,
    };
    let mut seconds = |value: i64, field: &str| {
        if !(0..=i64::from(config.max_timeout_seconds)).contains(&value) {
            checks.out_of_bounds(0, value, config.max_timeout_seconds, &at.field(field));
        }
        u32::try_from(value).unwrap_or(0)
    };
    let timeout_seconds = seconds(timeout, "timeoutSeconds");
    // Knative fills this in only where it would fire before the timeout of the whole request.
    let start = draft.response_start_timeout_seconds.unwrap_or(if TIMEOUT_SECONDS < timeout {
        TIMEOUT_SECONDS
    } else {
        0
    });
    let response_start_timeout_seconds = seconds(start, "responseStartTimeoutSeconds");
    let idle_timeout_seconds = seconds(draft.idle_timeout_seconds.unwrap_or(0), "idleTimeoutSeconds");
    if !draft.service_account_name.is_empty() && !draft.service_account_name.split('.').all(is_dns_1123_label)
    {
        checks.invalid(&draft.service_account_name, &at.field("serviceAccountName"));
    }
    RevisionSpec {
        containers: containers(draft.containers, at, checks),
        container_concurrency: u32::try_from(concurrency).unwrap_or(0),
        timeout_seconds,
        response_start_timeout_seconds,
        idle_timeout_seconds,
    }
}

fn containers(mut drafts: Vec<ContainerDraft>, at: &Path<'_>, checks: &mut Checks) -> Box<[Container]> {
    let at = at.field("containers");
    if drafts.is_empty() {
        checks.missing(&at);
    }
    let ports: usize = drafts.iter().map(|draft| draft.ports.len()).sum();
    if ports == 0 && drafts.len() > 1 {
        checks.among("missing field(s)", vec![format!("{at}[*].ports")]);
    } else if ports > 1 {
        checks.detailed(
            "more than one container port is set",
            &Path::Root.field(&format!("{at}[*].ports")),
            "Only a single port is allowed across all containers",
        );
    }
    name_them(&mut drafts);
    let several = drafts.len() > 1;
    for (index, draft) in drafts.iter().enumerate() {
        if drafts.iter().take(index).any(|before| before.name == draft.name) {
            checks.error(format!("duplicate container name {:?}", draft.name), &at.item(index).field("name"));
        }
    }
    let serving = |draft: &ContainerDraft| !several || !draft.ports.is_empty();
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| {
            let serves = serving(&draft);
            container(draft, serves, &at.item(index), checks)
        })
        .collect()
}

/// Names for the nameless: `user-container`, with a number when that would not tell them apart.
fn name_them(drafts: &mut [ContainerDraft]) {
    let several = drafts.len() > 1;
    let taken: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let mut next = 0;
    for draft in drafts.iter_mut().filter(|draft| draft.name.is_empty()) {
        let mut name = CONTAINER_NAME.to_owned();
        while several && (name == CONTAINER_NAME || taken.contains(&name)) {
            name = format!("{CONTAINER_NAME}-{next}");
            next += 1;
        }
        draft.name = name;
    }
}

fn container(draft: ContainerDraft, serving: bool, at: &Path<'_>, checks: &mut Checks) -> Container {
    if draft.name == "queue-proxy" {
        checks.error(format!("{:?} is a reserved container name", draft.name), &at.field("name"));
    } else if !is_dns_1123_label(&draft.name) {
        checks.invalid(&draft.name, &at.field("name"));
    }
    if draft.image.is_empty() {
        checks.missing(&at.field("image"));
    } else if draft.image.contains(char::is_whitespace) {
        let details = format!("image: {:?}, error: could not parse reference: {}", draft.image, draft.image);
        checks.detailed("Failed to parse image reference", &at.field("image"), details);
    }
    let names =
        draft.ports.first().map_or("http", |port| if port.name.is_empty() { "http" } else { &port.name });
    let of = probe::Of { serving, port_name: names };
    let readiness = probe::readiness(draft.readiness_probe, of, &at.field("readinessProbe"), checks);
    let liveness = probe::health(draft.liveness_probe, of, &at.field("livenessProbe"), checks);
    let startup = probe::health(draft.startup_probe, of, &at.field("startupProbe"), checks);
    let boxed = |list: Vec<String>| list.into_iter().map(String::into_boxed_str).collect();
    Container {
        env: variables(draft.env, serving, &at.field("env"), checks),
        ports: ports(draft.ports, &at.field("ports"), checks),
        name: draft.name.into(),
        image: draft.image.into(),
        command: boxed(draft.command),
        args: boxed(draft.args),
        working_dir: (!draft.working_dir.is_empty()).then(|| draft.working_dir.into()),
        readiness_probe: readiness,
        liveness_probe: liveness.map(Box::new),
        startup_probe: startup.map(Box::new),
    }
}

fn variables(drafts: Vec<EnvDraft>, serving: bool, at: &Path<'_>, checks: &mut Checks) -> Box<[EnvVar]> {
    for (index, draft) in drafts.iter().enumerate() {
        let at = at.item(index);
        if draft.name.is_empty() {
            checks.missing(&at.field("name"));
        } else if RESERVED_VARIABLES.contains(&draft.name.as_str()) && (serving || draft.name != "PORT") {
            checks.error(format!("{:?} is a reserved environment variable", draft.name), &at.field("name"));
        } else if draft.name.contains(['=', '\0']) || draft.value.contains('\0') {
            // No process can be started with these.
            checks.invalid(format!("{:?}", draft.name), &at.field("name"));
        }
    }
    drafts.into_iter().map(|draft| EnvVar { name: draft.name.into(), value: draft.value.into() }).collect()
}

fn ports(drafts: Vec<PortDraft>, at: &Path<'_>, checks: &mut Checks) -> Box<[ContainerPort]> {
    let Some(draft) = drafts.into_iter().next() else { return Box::default() };
    let number = draft.container_port;
    if RESERVED_PORTS.contains(&number) {
        let details = format!("{number} is a reserved port, please use a different value");
        checks.detailed(
            format!("invalid value: {number} is a reserved port"),
            &at.field("containerPort"),
            details,
        );
    }
    if !(0..=65535).contains(&number) {
        checks.out_of_bounds(0, number, 65535, &at.field("containerPort"));
    }
    if !matches!(draft.protocol.as_str(), "" | "TCP") {
        checks.invalid(&draft.protocol, &at.field("protocol"));
    }
    let protocol = match draft.name.as_str() {
        "h2c" => Protocol::H2c,
        "http1" | "" => Protocol::Http1,
        name => {
            let details = "Name must be empty, or one of: 'h2c', 'http1'";
            checks.detailed(format!("Port name {name} is not allowed"), at, details);
            Protocol::Http1
        }
    };
    let container_port =
        if number == 0 { DEFAULT_PORT } else { u16::try_from(number).unwrap_or(DEFAULT_PORT) };
    [ContainerPort { protocol, container_port }].into()
}
