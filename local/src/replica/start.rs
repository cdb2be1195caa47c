//! A replica's start: everything that blocks, and words for those that do not come up. Knows nothing of its later life.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forebay_knative::api::Revision;
use tokio::time::sleep;

use super::pod::{Pod, Sidecar};
use super::{Replica, Report, Reporter};
use crate::event::Event;
use crate::failure::{Failure, hinted, span};
use crate::launch::{self, Launch};
use crate::logs::Tail;
use crate::ports::Port;
use crate::probe::{Plan, Target};
use crate::process::Output;
use crate::sockets;

/// A process that was just started.
pub(super) struct Prepared {
    pub(super) port: Port,
    pub(super) launch: Launch,
    pub(super) plan: Plan,
    pub(super) pod: Pod,
    pub(super) output: Output,
}

impl Replica {
    /// Takes a port, resolves the command and starts it, on a thread where that may block: a program may lie on a slow
    /// disk.
    pub(super) async fn prepare(&self) -> Result<Prepared, Failure> {
        let (shared, workload, number) = (self.shared.clone(), self.workload.clone(), self.number);
        let work = move || {
            let (key, revision) = (&workload.key, &*workload.revision);
            let take = || {
                let port = shared.ports.take();
                port.map_err(|e| Failure::cannot_run(format!("revision {key}: {}", hinted(&e))))
            };
            let port = take()?;
            let launch = shared.site.launch(key, revision, &workload.base_dir, port.number())?;
            let plan = revision.spec.serving().ok_or_else(|| "no container".to_owned());
            let plan = plan.and_then(|container| Plan::new(container, revision.spec.protocol()));
            let plan = plan.map_err(|what| Failure::config(format!("revision {key}: {what}")))?;
            let start = |launch: &Launch| {
                let started = shared.spawner.start(launch);
                started.map_err(|e| {
                    Failure::cannot_run(format!("revision {key}: {}", launch::refused(launch, &e)))
                })
            };
            let (app, output) = start(&launch)?;
            if !shared.options.queue_proxy {
                return Ok(Prepared { port, launch, plan, pod: Pod { app, sidecar: None }, output });
            }
            let front = take()?;
            let ports = (port.number(), front.number());
            let (process, said) = start(&shared.site.sidecar(key, revision, number, ports))?;
            let sidecar = Sidecar { port: front, process, output: Some(said) };
            let (plan, pod) = (plan.behind_queue_proxy(), Pod { app, sidecar: Some(sidecar) });
            Ok(Prepared { port, launch, plan, pod, output })
        };
        let prepared = tokio::task::spawn_blocking(work).await;
        prepared.unwrap_or_else(|e| Err(Failure::cannot_run(format!("revision {}: {e}", self.key()))))
    }

    /// Watches a start that takes long. Says so, with a reason where one can be seen, and goes on waiting: a program may
    /// open one port long before another.
    pub(super) async fn watch_start(
        &self,
        target: &Target<'_>,
        group: i32,
        reporter: &Reporter,
        tail: &Tail,
    ) -> Infallible {
        sleep(FIRST_LOOK).await;
        let first = astray(group, target.address).await;
        sleep(SECOND_LOOK - FIRST_LOOK).await;
        if let (Some(_), Some(message)) = (first, astray(group, target.address).await) {
            self.emit(Event::Failed {
                key: self.key().clone(),
                reason: "WrongPort".to_owned(),
                message,
                last_log: tail.lines(),
            });
        }
        sleep(SLOW - SECOND_LOOK).await;
        reporter.tell(Report::Settled);
        let mut next = REMARK;
        loop {
            sleep((target.started + next).saturating_duration_since(tokio::time::Instant::now())).await;
            let message = format!("is not ready after {}: {}", span(next), target.last());
            self.emit(Event::Notice { key: self.key().clone(), replica: self.number, message });
            next *= 3;
        }
    }
}

/// How long the revision itself allows a start to take: the annotation its template carries.
pub(super) fn progress_deadline(revision: &Revision) -> Option<Duration> {
    let text = revision.metadata.annotations.get("serving.knative.dev/progress-deadline")?;
    // Validated with the manifest; a value that is none has no effect.
    forebay_base::duration::parse_go(text).ok()
}

/// Where the group listens instead of `wanted`, in words; `None` if it listens nowhere, there, or nobody can tell.
async fn astray(group: i32, wanted: SocketAddr) -> Option<String> {
    let found = tokio::task::spawn_blocking(move || sockets::listened_by(group)).await.ok().flatten()?;
    explain(&found, wanted)
}

fn explain(found: &[SocketAddr], wanted: SocketAddr) -> Option<String> {
    let port = wanted.port();
    let serves = |ip: IpAddr| {
        ip == wanted.ip()
            || ip.is_unspecified()
            || matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some_and(|v4| IpAddr::V4(v4) == wanted.ip()))
    };
    if found.is_empty() || found.iter().any(|a| a.port() == port && serves(a.ip())) {
        return None;
    }
    if let Some(other) = found.iter().find(|a| a.port() == port) {
        return Some(format!(
            "listens on {other} only, where the proxy cannot reach it (a program must listen on 127.0.0.1 or on all addresses)"
        ));
    }
    let ports: BTreeSet<u16> = found.iter().map(SocketAddr::port).collect();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    Some(format!("listens on {}, not on PORT={port} (a program must listen on $PORT)", ports.join(", ")))
}

/// Listening elsewhere at both looks is taken for a mistake.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const SECOND_LOOK: Duration = Duration::from_millis(1_500);
/// A start that takes longer holds up others no more.
const SLOW: Duration = Duration::from_secs(3);
/// The first remark on a slow start; the next come after three times as long.
const REMARK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_where_a_program_listens_instead() {
        let wanted = "127.0.0.1:41234".parse().unwrap();
        let told = |found: &[&str]| {
            let mut found: Vec<SocketAddr> = found.iter().map(|a| a.parse().unwrap()).collect();
            found.sort_unstable();
            explain(&found, wanted)
        };
        assert_eq!(
            told(&["0.0.0.0:8080", "[::]:8080", "127.0.0.1:9090"]).unwrap(),
            "listens on 8080, 9090, not on PORT=41234 (a program must listen on $PORT)"
        );
        assert!(told(&["[::1]:41234"]).unwrap().starts_with("listens on [::1]:41234 only"));
        for fine in [
            &[][..],
            &["127.0.0.1:41234", "0.0.0.0:9"],
            &["0.0.0.0:41234"],
            &["[::]:41234"],
            &["[::ffff:127.0.0.1]:41234"],
        ] {
            assert_eq!(told(fine), None, "{fine:?}");
        }
    }
}
