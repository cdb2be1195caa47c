//! A process with a platform in it, that tells its replicas' process numbers and waits to be killed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use forebay_knative::RevisionKey;
use forebay_knative::api::{Container, Revision};
use forebay_local::{Event, Options, Platform, Urgency, Workload};

/// Arguments: the state directory, then the app's.
pub(crate) fn main(args: impl Iterator<Item = String>) -> ExitCode {
    let mut args = args;
    let dir = PathBuf::from(args.next().expect("state directory"));
    let habits: Vec<String> = args.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let (platform, mut events) = Platform::start(Options::new(&dir)).await.expect("platform");
        let key = RevisionKey::new("default", "doomed");
        platform.ensure(workload(&key, &habits, &dir));
        platform.scale(&key, 2, Urgency::Routine);
        while let Some(event) = events.recv().await {
            match event {
                Event::Started { pid, .. } => println!("started {pid}"),
                Event::Ready { .. } => println!("ready"),
                Event::Log { line, .. } => println!("{line}"),
                other => println!("{other:?}"),
            }
        }
    });
    ExitCode::SUCCESS
}

fn workload(key: &RevisionKey, habits: &[String], dir: &std::path::Path) -> Workload {
    let own = std::env::current_exe().expect("own file");
    let command = [own.to_str().expect("utf-8").to_owned(), "app".to_owned()];
    let container = Container {
        command: command.iter().map(|w| w.as_str().into()).collect(),
        args: habits.iter().map(|w| w.as_str().into()).collect(),
        ..Container::default()
    };
    let revision = Revision::lone(key, &key.name, container);
    Workload { key: key.clone(), revision: Arc::new(revision), base_dir: dir.into() }
}
