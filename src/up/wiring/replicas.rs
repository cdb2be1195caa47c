//! Replicas: what the autoscaler orders goes to the platform, what the platform tells goes to the control plane. Decides neither
//! how many nor when.

use std::net::SocketAddr;
use std::time::SystemTime;

use forebay_autoscaler::ScaleTo;
use forebay_knative::RevisionKey;
use forebay_knative::api::RevisionState;
use forebay_local::{Event, Stream, Urgency};
use forebay_proto::type_url;
use forebay_xds_control::translate::cluster_name;
use serde_json::json;

use super::{OBEY, Wired};
use crate::up::output::{Bad, say};

impl Wired {
    pub(super) fn scale(&mut self, order: &ScaleTo) {
        let key = RevisionKey { namespace: order.key.0.clone(), name: order.key.1.clone() };
        let (waiting, _) = self.gateway.load(&cluster_name(&key));
        let urgency = if waiting > 0 { Urgency::Waiting } else { Urgency::Routine };
        say(
            Bad::Info,
            "scale",
            &format!(
                "{key}: {} replica{} ({})",
                order.replicas,
                if order.replicas == 1 { "" } else { "s" },
                order.reason
            ),
            &[("revision", json!(key.to_string())), ("replicas", json!(order.replicas))],
        );
        self.platform.scale(&key, order.replicas, urgency);
        if let Some(watch) = &mut self.watch {
            watch.scaled(&key, order.replicas, &self.gateway);
        }
        // What never was ready goes to zero only when its time is up.
        if order.replicas == 0 && self.control.world().state_of(&key) == Some(&RevisionState::Starting) {
            self.failed(key, "ProgressDeadlineExceeded".to_owned(), order.reason.clone(), Vec::new());
        }
    }

    pub(super) fn replica(&mut self, event: Event) {
        match event {
            Event::Started { .. } => {}
            Event::Ready { key, replica, address, after } => {
                // Requests wait for this: before anything else.
                self.ready.add(&key, replica, address);
                self.endpoints(&key);
                let text = format!("{key}: replica {replica} ready after {} ms", after.as_millis());
                say(Bad::Info, "replica ready", &text, &[("revision", json!(key.to_string()))]);
                let work = self.control.revision_state(&key, RevisionState::Ready, SystemTime::now());
                self.take(work, false);
            }
            Event::Unready { key, replica, address, message } => {
                self.gone(&key, replica, address);
                say(Bad::Warning, "replica not ready", &format!("{key}: replica {replica}: {message}"), &[]);
            }
            Event::Draining { key, replica, address, done } => {
                let seq = self.gone(&key, replica, address);
                let store = self.store.clone();
                tokio::task::spawn_local(async move {
                    if let Some(seq) = seq {
                        let obeyed = store.acked_of(type_url::ENDPOINTS, seq);
                        let _ = tokio::time::timeout(OBEY, obeyed).await;
                    }
                    let _ = done.send(());
                });
            }
            Event::Gone { key, replica, address } => {
                self.gone(&key, replica, address);
            }
            Event::Failed { key, reason, message, last_log } => self.failed(key, reason, message, last_log),
            Event::Notice { key, replica, message } => {
                say(Bad::Warning, "notice", &format!("{key}: replica {replica}: {message}"), &[]);
            }
            Event::Log { key, replica, stream, line, .. } => {
                let stream = if stream == Stream::Stderr { "stderr" } else { "stdout" };
                say(
                    Bad::Info,
                    "log",
                    &format!("{key}-{replica} | {line}"),
                    &[("revision", json!(key.to_string())), ("stream", json!(stream)), ("line", json!(line))],
                );
            }
        }
    }

    /// Says what is wrong with a revision, and in which file it stands.
    fn failed(&mut self, key: RevisionKey, reason: String, message: String, last_log: Vec<String>) {
        let mut about = vec![("revision", json!(key.to_string())), ("reason", json!(reason))];
        let mut text = String::new();
        if let Some(file) = self.control.file_of(&key) {
            let file = file.display().to_string();
            text = format!("{file}: ");
            about.push(("file", json!(file)));
        }
        let whose = format!("revision {key}");
        text.push_str(&match message.starts_with(&whose) {
            true => format!("{reason}: {message}"),
            false => format!("{reason}: {whose}: {message}"),
        });
        say(Bad::Error, "replica failed", &text, &about);
        for line in last_log {
            say(Bad::Info, "log", &format!("  {key} | {line}"), &[]);
        }
        let said: Box<str> = message.into();
        let state = RevisionState::Failed { reason: reason.into(), message: said.clone() };
        let mut work = self.control.revision_state(&key, state, SystemTime::now());
        // What it says of the revision has been said.
        work.lines.retain(|line| !line.text.ends_with(&*said));
        self.take(work, false);
    }

    /// A replica takes no more requests; the number to wait for until every proxy knows.
    fn gone(&mut self, key: &RevisionKey, replica: u32, address: SocketAddr) -> Option<u64> {
        if self.ready.remove(key, replica, address) { self.endpoints(key) } else { None }
    }

    fn endpoints(&self, key: &RevisionKey) -> Option<u64> {
        let seq = self.control.set_endpoints(key, &self.ready.endpoints(key));
        self.autoscaler.set_ready(&key.namespace, &key.name, self.ready.count(key));
        seq
    }
}
