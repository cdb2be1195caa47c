use super::*;

fn read(words: &[&str]) -> Result<Flags, Other> {
    parse(words.iter().map(ToString::to_string))
}

fn with(words: &[&str]) -> Flags {
    read(&[&["-c", "f"], words].concat()).unwrap()
}

#[test]
fn kouriers_five_words_are_ten() {
    let flags = read(&[
        "--base-id 1",
        "-c /tmp/config/envoy-bootstrap.yaml",
        "--log-level info",
        "--drain-time-s 15",
        "--drain-strategy immediate",
    ])
    .unwrap();
    assert_eq!(flags.config_path.as_deref(), Some("/tmp/config/envoy-bootstrap.yaml"));
    assert_eq!((flags.drain_time, flags.drain_strategy), (Duration::from_secs(15), Strategy::Immediate));
    assert_eq!(flags.level, Some(Level::INFO));
    assert!(flags.idle.is_empty());
}

#[test]
fn every_spelling_of_a_value() {
    for words in [&["-c", "a b"][..], &["--config-path", "a b"], &["--config-path=a b"]] {
        assert_eq!(read(words).unwrap().config_path.as_deref(), Some("a b"), "{words:?}");
    }
    let yaml = "admin: {}\nnode: {id: x}";
    for words in [&["--config-yaml", yaml][..], &[&format!("--config-yaml {yaml}")]] {
        assert_eq!(read(words).unwrap().config_yaml.as_deref(), Some(yaml), "{words:?}");
    }
}

#[test]
fn what_is_understood() {
    assert_eq!(with(&["--concurrency", "0"]).concurrency, Some(1));
    assert_eq!(with(&["--concurrency=3"]).concurrency, Some(3));
    assert_eq!(with(&["-l", "off"]).level, None);
    assert_eq!(with(&["-l", "warn"]).level, Some(Level::WARN));
    assert_eq!(with(&["--mode", "validate"]).mode, Mode::Validate);
    let components = with(&["--component-log-level", "upstream:debug,config:off"]).components;
    assert_eq!(components, [("upstream".to_owned(), Some(Level::DEBUG)), ("config".to_owned(), None)]);
    let who = with(&["--service-node", "n", "--service-cluster", "c", "--service-zone", "z"]);
    assert_eq!((who.node.as_str(), who.cluster.as_str(), who.zone.as_str()), ("n", "c", "z"));
    assert_eq!(with(&["--", "--nonsense"]).config_path.as_deref(), Some("f"));
}

#[test]
fn what_changes_nothing_is_told_once() {
    let flags = with(&["--parent-shutdown-time-s", "900", "--stats-tag", "a:b", "--stats-tag", "c:d"]);
    let names: Vec<&str> = flags.idle.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["parent-shutdown-time-s", "stats-tag"]);
    assert!(with(&["--disable-hot-restart", "--restart-epoch", "0"]).idle.is_empty());
}

#[test]
fn instead_of_a_gateway() {
    assert_eq!(read(&["--help"]), Err(Other::Help));
    assert_eq!(read(&["-c", "f", "--version"]), Err(Other::Version));
    assert_eq!(read(&["--hot-restart-version"]), Err(Other::HotRestartVersion));
}

#[test]
fn mistakes_are_named() {
    for (words, said) in [
        (&[][..], "--config-path"),
        (&["-c"], "--config-path needs a value"),
        (&["-c", "a", "-c", "b"], "--config-path is given twice"),
        (&["-c", "a", "--nonsense"], "\"--nonsense\" is not a flag"),
        (&["-c", "a", "stray"], "\"stray\" is not a flag"),
        (&["-c", "a", "--concurrency", "many"], "--concurrency needs a number, not \"many\""),
        (&["-c", "a", "--drain-time-s=-1"], "--drain-time-s needs a number"),
        (&["-c", "a", "--mode", "try"], "--mode is serve or validate, not \"try\""),
        (&["-c", "a", "--drain-strategy", "soon"], "not \"soon\""),
        (&["-c", "a", "-l", "loud"], "\"loud\" is not a log level"),
        (&["-c", "a", "--component-log-level", "upstream"], "NAME:LEVEL"),
        (&["-c", "a", "--restart-epoch", "1"], "no running gateway can be taken over"),
        (&["-c", "a", "--allow-unknown-static-fields"], "is not supported"),
        (&["-c", "a", "--use-dynamic-base-id=yes"], "takes no value"),
        (&["-c", "a", "--local-address-ip-version", "v5"], "v4 or v6"),
    ] {
        match read(words) {
            Err(Other::Wrong(wrong)) => assert!(wrong.to_string().contains(said), "{words:?}: {wrong}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }
}

#[test]
fn the_help_names_every_flag_of_envoys() {
    let help = help();
    for name in [
        "stats-tag",
        "enable-core-dump",
        "socket-mode",
        "socket-path",
        "disable-extensions",
        "cpuset-threads",
        "enable-mutex-tracing",
        "disable-hot-restart",
        "mode",
        "parent-shutdown-time-s",
        "drain-strategy",
        "drain-time-s",
        "file-flush-min-size-kb",
        "file-flush-interval-msec",
        "service-zone",
        "service-node",
        "service-cluster",
        "hot-restart-version",
        "restart-epoch",
        "log-path",
        "enable-fine-grain-logging",
        "log-format-escaped",
        "log-format",
        "component-log-level",
        "log-level",
        "local-address-ip-version",
        "admin-address-path",
        "log-stacktrace-single-entry",
        "skip-deprecated-logs",
        "ignore-unknown-dynamic-fields",
        "reject-unknown-dynamic-fields",
        "allow-unknown-static-fields",
        "allow-unknown-fields",
        "config-yaml",
        "config-path",
        "concurrency",
        "base-id-path",
        "skip-hot-restart-parent-stats",
        "skip-hot-restart-on-no-parent",
        "use-dynamic-base-id",
        "base-id",
        "version",
    ] {
        assert!(help.contains(&format!("--{name}")), "{name}");
    }
}
