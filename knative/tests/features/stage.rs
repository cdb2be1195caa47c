//! A world to act upon, and short questions to ask of it. Time stands still unless a test moves it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use forebay_knative::api::{Condition, Kind, RevisionState, Status};
use forebay_knative::ingress::{Ingress, IngressRule};
use forebay_knative::manifest;
use forebay_knative::world::{Config, Outcome, Stored};
use forebay_knative::{Changes, Invalid, Key, RevisionKey, World};

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) now: SystemTime,
    /// KIngresses as told by changes, by `namespace/name`.
    pub(crate) ingresses: BTreeMap<String, Ingress>,
    pub(crate) revisions: BTreeMap<String, bool>,
}

/// A Service of one container, with more of its manifest's lines after it: `traffic`, or nothing.
pub(crate) fn service(name: &str, image: &str, rest: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec: {{containers: [{{image: {image}}}]}}\n{rest}"
    )
}

/// The same with a name for its revision.
pub(crate) fn named(name: &str, revision: &str, image: &str, rest: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n    metadata: {{name: {revision}}}\n    spec: {{containers: [{{image: {image}}}]}}\n{rest}"
    )
}

pub(crate) fn key(name: &str) -> Key {
    match name.split_once('/') {
        Some((namespace, name)) => Key::new(namespace, name),
        None => Key::new("default", name),
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self {
            world: World::new(config),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
            ingresses: BTreeMap::new(),
            revisions: BTreeMap::new(),
        }
    }

    /// Applies every document in order; what the last one came to.
    pub(crate) fn apply(&mut self, text: &str) -> Outcome {
        self.try_apply(text).unwrap_or_else(|invalid| panic!("{invalid}\n{text}"))
    }

    pub(crate) fn try_apply(&mut self, text: &str) -> Result<Outcome, Invalid> {
        let mut outcome = Outcome::Unchanged;
        for document in manifest::parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}")) {
            outcome = self.world.apply(document.object, self.now)?.outcome;
        }
        Ok(outcome)
    }

    pub(crate) fn delete(&mut self, kind: Kind, name: &str) -> bool {
        self.world.delete(kind, &key(name), self.now)
    }

    pub(crate) fn ready(&mut self, revision: &str) {
        self.state(revision, RevisionState::Ready);
    }

    pub(crate) fn failed(&mut self, revision: &str, reason: &str, message: &str) {
        self.state(revision, RevisionState::Failed { reason: reason.into(), message: message.into() });
    }

    fn state(&mut self, revision: &str, state: RevisionState) {
        let Key { namespace, name } = key(revision);
        self.world.set_revision_state(&RevisionKey { namespace, name }, state, self.now);
    }

    pub(crate) fn wait(&mut self, seconds: u64) -> Option<u64> {
        self.now += Duration::from_secs(seconds);
        let next = self.world.tick(self.now)?;
        Some(next.duration_since(self.now).unwrap().as_secs())
    }

    /// Takes the changes and keeps a picture of what a data plane would know after them.
    pub(crate) fn changes(&mut self) -> Changes {
        let changes = self.world.take_changes();
        for (key, ingress) in &changes.ingresses {
            match ingress {
                Some(ingress) => self.ingresses.insert(key.to_string(), ingress.clone()),
                None => self.ingresses.remove(&key.to_string()),
            };
        }
        for change in &changes.revisions {
            match &change.revision {
                Some(_) => self.revisions.insert(change.key.to_string(), change.reachable),
                None => self.revisions.remove(&change.key.to_string()),
            };
        }
        changes
    }

    /// Writes the world down, reads it back, and forgets what a data plane knew.
    pub(crate) fn restart(&mut self) {
        self.restart_from(self.world.snapshot());
    }

    pub(crate) fn restart_from(&mut self, objects: Vec<Stored>) {
        let text = serde_json::to_string(&objects).unwrap();
        let objects: Vec<Stored> = serde_json::from_str(&text).unwrap();
        self.world = World::restore(Config::default(), objects, self.now);
        self.ingresses.clear();
        self.revisions.clear();
        self.changes();
    }

    /// The rule of a host, whoever has it.
    pub(crate) fn rule(&mut self, host: &str) -> Option<IngressRule> {
        self.changes();
        let mut found = self
            .ingresses
            .values()
            .flat_map(|ingress| ingress.spec.rules.iter())
            .filter(|rule| rule.hosts.iter().any(|known| &**known == host));
        let rule = found.next().cloned();
        assert!(found.next().is_none(), "{host} is served twice");
        rule
    }

    /// `hello-00001 90, hello-00002 10`: the last path of a host, which matches everything. Empty if nobody has it.
    pub(crate) fn splits(&mut self, host: &str) -> String {
        let Some(rule) = self.rule(host) else { return String::new() };
        let splits = &rule.http.paths.last().unwrap().splits;
        let splits: Vec<String> =
            splits.iter().map(|split| format!("{} {}", split.service_name, split.percent)).collect();
        splits.join(", ")
    }

    pub(crate) fn hosts(&mut self) -> Vec<String> {
        self.changes();
        let rules = self.ingresses.values().flat_map(|ingress| ingress.spec.rules.iter());
        rules.flat_map(|rule| rule.hosts.iter().map(|host| host.to_string())).collect()
    }

    pub(crate) fn condition(&self, kind: Kind, name: &str, condition: &str) -> Condition {
        let conditions = self.world.conditions(kind, &key(name));
        let found = conditions.iter().find(|known| &*known.kind == condition);
        found.unwrap_or_else(|| panic!("{kind} {name} has no {condition}: {conditions:?}")).clone()
    }

    /// `True`, `Unknown Reason: message`, `False Reason: message`.
    pub(crate) fn says(&self, kind: Kind, name: &str, condition: &str) -> String {
        let Condition { status, reason, message, .. } = self.condition(kind, name, condition);
        let mut text = format!("{status:?}");
        if !reason.is_empty() {
            text += &format!(" {reason}");
        }
        if !message.is_empty() {
            text += &format!(": {message}");
        }
        text
    }

    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.condition(Kind::Service, name, "Ready").status == Status::True
    }
}
