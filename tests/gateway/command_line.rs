//! Envoy's command line under Envoy's name.

use crate::plane::Plane;
use crate::support::process;
use crate::world::{Gateway, bootstrap, run};

#[tokio::test]
async fn a_bootstrap_is_tried_without_being_served() {
    let plane = Plane::start().await;
    let text = bootstrap(plane.address);
    let words =
        ["--base-id 1", "-c FILE", "--log-level info", "--drain-time-s 15", "--drain-strategy immediate"];
    let ended = run(Some(text.as_bytes()), &[&words[..], &["--mode validate"]].concat()).await;
    assert!(ended.status.success(), "{}", ended.err);
    assert!(
        ended.out.starts_with("configuration '") && ended.out.ends_with("bootstrap.yaml' OK\n"),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn words_instead_of_a_gateway() {
    let version = run(None, &["--version"]).await;
    assert!(version.status.success() && version.out.contains("version: forebay/"), "{}", version.out);
    assert!(version.out.contains("/1.40.0"), "{}", version.out);
    let help = run(None, &["--help"]).await;
    assert!(help.status.success() && help.out.contains("--drain-strategy"));
    let wrong = run(None, &["-c", "x", "--frobnicate"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(wrong.err, "error: \"--frobnicate\" is not a flag of Envoy's; --help lists them\n");
}

#[tokio::test]
async fn flags_that_do_nothing_are_told_once_and_those_that_do_are_obeyed() {
    let plane = Plane::start().await;
    let over = "node: {cluster: merged}";
    let words = ["--parent-shutdown-time-s", "900", "--service-node", "me", "--config-yaml", over];
    let gateway = Gateway::start(&bootstrap(plane.address), &words).await;
    let log = gateway.log();
    let told =
        |text: &str| log.lines().filter(|line| line.contains("[warning]") && line.contains(text)).count();
    assert_eq!(told("--parent-shutdown-time-s has no effect"), 1, "{log}");
    let info = gateway.admin("GET", "/server_info").await;
    assert!(info.text().contains("\"me\"") && info.text().contains("\"merged\""), "{}", info.text());
}

#[tokio::test]
async fn log_files_are_opened_anew_and_a_lost_terminal_is_survived() {
    let plane = Plane::start().await;
    let mut gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    gateway.signal(rustix::process::Signal::HUP);
    gateway.logs("SIGHUP").await;
    gateway.move_log();
    gateway.signal(rustix::process::Signal::USR1);
    gateway.logs("SIGUSR1").await;
    assert!(gateway.is_alive());
    assert!(process::is_alive(gateway.pid()));
}
