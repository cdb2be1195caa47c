//! What an idle revision costs, measured on this process: its own test program, so that nothing else grows meanwhile.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeMap;

use forebay_autoscaler::{Autoscaler, Config, Defaults, Settings};

/// Enough that the runtime's own growth does not count.
const REVISIONS: usize = 20_000;
/// Bytes of this crate's for one idle revision, its names included.
const LIMIT: usize = 500;

/// Resident bytes of this process.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_revision_costs_less_than_500_bytes() {
    let (autoscaler, _orders) = Autoscaler::spawn(Config::default()).unwrap();
    let settings = Settings::from_annotations(&BTreeMap::new(), 0, &Defaults::default()).unwrap();
    // In small portions, so that the queue of commands stays small, and once beforehand for everything that is lazy.
    let add = async |from: usize, to: usize| {
        for n in from..to {
            autoscaler.restore(
                "default",
                format!("a-service-name-of-usual-length-{n:05}"),
                settings.clone(),
                true,
            );
            if n % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
        tokio::task::yield_now().await;
    };
    add(0, 100).await;
    assert_eq!(autoscaler.statuses().await.len(), 100);
    let before = resident();
    add(100, 100 + REVISIONS).await;
    // Waits until all are in, without building their statuses.
    autoscaler.remove("default", "nobody");
    let probe = autoscaler.clone();
    drop(probe);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let each = (resident() - before) / REVISIONS;
    assert_eq!(autoscaler.statuses().await.len(), 100 + REVISIONS);
    println!("{each} bytes for each idle revision");
    assert!(each < LIMIT, "{each} bytes for each idle revision");
}
