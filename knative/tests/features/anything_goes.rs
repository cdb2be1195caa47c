//! Whatever is done in whatever order: no host is served twice, shares sum to 100, only revisions that got ready are in
//! them, changes tell the whole story, and a restart changes none of it.

use forebay_knative::api::{Kind, RevisionState};
use forebay_knative::world::Config;
use proptest::prelude::*;

use crate::stage::{Stage, named, service};

#[derive(Debug, Clone)]
enum Act {
    Apply { service: u8, image: u8, has_name: bool, traffic: u8 },
    Map { host: u8, to: u8 },
    Delete { kind: u8, which: u8 },
    Ready(u8),
    Fail(u8),
    Wait(u8),
    Restart,
}

/// Names that make tags' hosts meet Services' hosts.
const NAMES: [&str; 4] = ["a", "b", "a-b", "b-a-b"];
const MAPPED: [&str; 3] = ["www.example.com", "a-b.default.localhost", "a.default"];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0u8..4, 0u8..3, any::<bool>(), 0u8..6)
            .prop_map(|(service, image, has_name, traffic)| Act::Apply { service, image, has_name, traffic }),
        1 => (0u8..3, 0u8..4).prop_map(|(host, to)| Act::Map { host, to }),
        1 => (0u8..2, 0u8..4).prop_map(|(kind, which)| Act::Delete { kind, which }),
        6 => any::<u8>().prop_map(Act::Ready),
        2 => any::<u8>().prop_map(Act::Fail),
        2 => (0u8..60).prop_map(Act::Wait),
        1 => Just(Act::Restart),
    ]
}

fn traffic(kind: u8, name: &str) -> String {
    match kind {
        0 | 1 => String::new(),
        2 => "  traffic: [{percent: 100, tag: a}]\n".to_owned(),
        3 => "  traffic: [{percent: 100, tag: b}]\n".to_owned(),
        4 => format!("  traffic: [{{percent: 40}}, {{revisionName: {name}-v1, percent: 60, tag: a}}]\n"),
        _ => format!("  traffic: [{{percent: 90}}, {{revisionName: {name}-00001, percent: 10}}]\n"),
    }
}

fn act_on(stage: &mut Stage, act: &Act) {
    let revision = |stage: &Stage, n: u8| {
        let all: Vec<String> = stage.world.revisions().map(|(key, ..)| key.name.to_string()).collect();
        (!all.is_empty()).then(|| all[usize::from(n) % all.len()].clone())
    };
    match act {
        Act::Apply { service: which, image, has_name, traffic: kind } => {
            let name = NAMES[usize::from(*which)];
            let labels =
                format!("{name}, annotations: {{serving.knative.dev/rollout-duration: '{}s'}}", kind * 3);
            let rest = traffic(*kind, name);
            let text = if *has_name {
                named(&labels, &format!("{name}-v{image}"), &format!("i:{image}"), &rest)
            } else {
                service(&labels, &format!("i:{image}"), &rest)
            };
            // A taken name is refused, which is fine.
            let _ = stage.try_apply(&text);
        }
        Act::Map { host, to } => {
            let (host, to) = (MAPPED[usize::from(*host)], NAMES[usize::from(*to)]);
            stage.apply(&format!("apiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata: {{name: {host}}}\nspec: {{ref: {{kind: Service, name: {to}, apiVersion: serving.knative.dev/v1}}}}\n"));
        }
        Act::Delete { kind: 0, which } => {
            stage.delete(Kind::Service, NAMES[usize::from(*which)]);
        }
        Act::Delete { which, .. } => {
            stage.delete(Kind::DomainMapping, MAPPED[usize::from(*which) % 3]);
        }
        Act::Ready(n) => {
            if let Some(name) = revision(stage, *n) {
                stage.ready(&name);
            }
        }
        Act::Fail(n) => {
            if let Some(name) = revision(stage, *n) {
                stage.failed(&name, "ExitCode1", "x");
            }
        }
        Act::Wait(seconds) => {
            stage.wait(u64::from(*seconds));
        }
        Act::Restart => stage.restart(),
    }
}

fn check(stage: &mut Stage) -> Result<(), TestCaseError> {
    let mut hosts = stage.hosts();
    let all = hosts.len();
    hosts.sort();
    hosts.dedup();
    prop_assert_eq!(hosts.len(), all, "a host is served twice");
    let known: Vec<String> = stage.world.revisions().map(|(key, ..)| key.to_string()).collect();
    prop_assert_eq!(&stage.revisions.keys().cloned().collect::<Vec<_>>(), &known);
    for ingress in stage.ingresses.values() {
        for path in ingress.spec.rules.iter().flat_map(|rule| rule.http.paths.iter()) {
            prop_assert_eq!(path.splits.iter().map(|split| u32::from(split.percent)).sum::<u32>(), 100);
            for split in path.splits.iter().filter(|_| ingress.owner == Kind::Route) {
                prop_assert!(split.percent > 0);
                let (_, _, state) = stage
                    .world
                    .revisions()
                    .find(|(key, ..)| key.name == split.service_name)
                    .expect("it is kept");
                prop_assert_eq!(state, &RevisionState::Ready);
                prop_assert!(stage.revisions[&format!("default/{}", split.service_name)], "it is reachable");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn invariants_hold(acts in proptest::collection::vec(act(), 1..40)) {
        let mut stage = Stage::with(Config { max_non_active_revisions: 2, ..Config::default() });
        for act in &acts {
            act_on(&mut stage, act);
            check(&mut stage)?;
        }
        let before = stage.ingresses.clone();
        stage.restart();
        check(&mut stage)?;
        prop_assert_eq!(&stage.ingresses, &before, "a restart changed something");
    }
}
