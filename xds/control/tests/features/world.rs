//! A control plane fed with manifests, without files.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_knative::RevisionKey;
use forebay_knative::api::RevisionState;
use forebay_knative::manifest;
use forebay_knative::world::Config;
use forebay_xds_control::translate::Settings;
use forebay_xds_control::{Control, Event, Work};
use forebay_xds_server::Store;

pub(crate) struct Machine {
    pub(crate) control: Control,
    pub(crate) now: SystemTime,
    /// What the last call said to people.
    pub(crate) lines: Vec<String>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut settings = Settings::new(vec!["127.0.0.1:8080".parse().unwrap()]);
        settings.report = Some("ws://127.0.0.1:4321".into());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Machine { control: Control::new(config, settings, Store::new()), now, lines: Vec::new() }
    }

    /// Saves a file.
    pub(crate) fn save(&mut self, file: &str, text: &str) -> Work {
        let path: Arc<Path> = Path::new(file).into();
        let event = match manifest::parse(text) {
            Ok(documents) => Event::File { path, text: text.into(), documents },
            Err(problems) => Event::Broken { path, problems },
        };
        let work = self.control.apply_source(event, self.now);
        self.told(work)
    }

    pub(crate) fn delete(&mut self, file: &str) -> Work {
        let work = self.control.apply_source(Event::Gone { path: Path::new(file).into() }, self.now);
        self.told(work)
    }

    pub(crate) fn settled(&mut self) -> Work {
        let work = self.control.apply_source(Event::Settled, self.now);
        self.told(work)
    }

    /// A revision of the namespace `default` proves itself.
    pub(crate) fn ready(&mut self, revision: &str) -> Work {
        let key = RevisionKey::new("default", revision);
        let work = self.control.revision_state(&key, RevisionState::Ready, self.now);
        self.told(work)
    }

    pub(crate) fn failed(&mut self, revision: &str) -> Work {
        let key = RevisionKey::new("default", revision);
        let state = RevisionState::Failed { reason: "ExitCode1".into(), message: "it ends at once".into() };
        let work = self.control.revision_state(&key, state, self.now);
        self.told(work)
    }

    pub(crate) fn told(&mut self, work: Work) -> Work {
        self.lines = work.lines.iter().map(ToString::to_string).collect();
        work
    }
}

/// A Service of the namespace `default` that runs an image.
pub(crate) fn service(name: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\n\
         kind: Service\n\
         metadata: {{name: {name}}}\n\
         spec: {{template: {{spec: {{containers: [{{image: example.com/{name}}}]}}}}}}\n"
    )
}
