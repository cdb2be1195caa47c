use clap::{CommandFactory, Parser};

use super::up::LogFormat;
use super::value::{Bytes, Domain, ImageCommand, duration, header, url};
use super::*;

fn up(words: &[&str]) -> Result<Up, clap::Error> {
    let parsed = Cli::try_parse_from(["forebay", "up"].iter().chain(words))?;
    match parsed.command {
        Command::Up(up) => Ok(*up),
        other => panic!("not up: {other:?}"),
    }
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_readme() {
    let up = up(&["app.yaml"]).unwrap();
    assert_eq!((up.port, up.admin_port), (8080, 9901));
    assert!(up.address.is_loopback());
    assert_eq!(up.domains, [Domain("localhost".into()), Domain("127.0.0.1.sslip.io".into())]);
    assert_eq!(up.limits.max_waiting, 10_000);
    assert_eq!(up.limits.max_waiting_bytes, Bytes(64 << 20));
    assert_eq!(up.limits.max_header_bytes, Bytes(60 << 10));
    assert_eq!(up.log_format, LogFormat::Text);
}

#[test]
fn every_option_has_a_variable_of_its_name() {
    let cli = Cli::command();
    let up = cli.find_subcommand("up").unwrap();
    let options: Vec<_> =
        up.get_arguments().filter_map(|option| Some((option.get_long()?, option.get_env()))).collect();
    assert!(options.len() > 15, "{options:?}");
    for (long, variable) in options.into_iter().filter(|(long, _)| *long != "help") {
        let wanted = format!("FOREBAY_{}", long.replace('-', "_").to_uppercase());
        assert_eq!(variable.and_then(|name| name.to_str()), Some(wanted.as_str()), "--{long}");
    }
}

#[test]
fn files_are_needed() {
    let error = up(&[]).unwrap_err().to_string();
    assert!(error.contains("FILES"), "{error}");
}

#[test]
fn an_image_maps_to_a_command_with_its_own_equals_signs() {
    let up = up(&["a.yaml", "--image", "example.com/hello:1=env A=b ./hello --v1,2"]).unwrap();
    assert_eq!(
        up.images,
        [ImageCommand { image: "example.com/hello:1".into(), command: "env A=b ./hello --v1,2".into() }]
    );
}

#[test]
fn several_domains_in_one_word_or_many() {
    let up = up(&["a.yaml", "--domain", "a.test,B.Test.", "--domain", "c"]).unwrap();
    assert_eq!(up.domains, ["a.test", "b.test", "c"].map(|d| Domain(d.into())));
}

#[test]
fn bad_values_are_named_with_what_would_be_good() {
    for (words, said) in [
        (&["a", "--image", "hello"][..], "IMAGE=COMMAND is needed"),
        (&["a", "--image", "=x"], "not the name of an image"),
        (&["a", "--max-header-bytes", "0"], "0 is not between 1 and 8MiB"),
        (&["a", "--max-header-bytes", "9MiB"], "9MiB is not between 1 and 8MiB"),
        (&["a", "--max-headers", "0"], "0 is not in 1.."),
        (&["a", "--image", "x="], "command for the image x is empty"),
        (&["a", "--domain", "a..b"], "not a DNS label"),
        (&["a", "--domain=-a"], "not a DNS label"),
        (&["a", "--port", "70000"], "70000"),
        (&["a", "--workers", "0"], "0"),
        (&["a", "--max-waiting-bytes", "64XB"], "not a unit of size"),
        (&["a", "--wait-timeout", "soon"], "a time is written as"),
        (&["a", "--log-format", "xml"], "json"),
    ] {
        let error = up(words).unwrap_err().to_string();
        assert!(error.contains(said), "{words:?} should say {said:?}: {error}");
    }
}

#[test]
fn sizes_print_as_they_are_written() {
    for text in ["0", "512", "60KiB", "64MiB", "1GiB"] {
        assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
    }
    assert!("99999999999GiB".parse::<Bytes>().is_err());
}

#[test]
fn a_url_may_leave_out_its_scheme_but_not_its_host() {
    assert_eq!(url("hello.default.localhost:8080/x?y").unwrap().path_and_query().unwrap(), "/x?y");
    assert_eq!(url("http://h").unwrap().host(), Some("h"));
    assert!(url("http:///x").is_err());
    assert!(url("").is_err());
}

#[test]
fn headers_and_times() {
    assert_eq!(header("Knative-Serving-Tag: v2").unwrap(), ("knative-serving-tag".into(), "v2".into()));
    assert!(header("no colon").is_err());
    assert!(header("b ad: x").is_err());
    assert_eq!(duration("1m30s").unwrap().as_secs(), 90);
}
