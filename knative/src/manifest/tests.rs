use crate::api::Kind;
use crate::key::Key;

use super::*;

const HELLO: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
spec:
  template:
    spec:
      containers:
      - image: hello:1
        imagee: typo
        env:
        - {name: A, value: b}
";

fn problem(text: &str) -> String {
    let problems = parse(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn unknown_fields_are_told_with_path_and_line() {
    let documents = parse(HELLO).unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!((documents[0].line, documents[0].object.kind()), (1, Kind::Service));
    assert_eq!(documents[0].object.key(), Key::new("default", "hello"));
    let warnings: Vec<String> = documents[0].warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        [
            r#"line 10: spec.template.spec.containers[0].imagee: unknown field "spec.template.spec.containers[0].imagee""#
        ]
    );
}

#[test]
fn what_has_no_effect_here_is_told_and_what_makes_no_difference_is_not() {
    let text =
        HELLO.replace("imagee: typo", "imagePullPolicy: Always\n        envFrom: [{secretRef: {name: s}}]");
    let documents = parse(&text).unwrap();
    let warnings: Vec<&str> = documents[0].warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        warnings,
        [r#"field "spec.template.spec.containers[0].envFrom" has no effect on this platform"#]
    );
}

#[test]
fn a_field_that_knative_forbids_is_refused() {
    assert_eq!(
        problem(&HELLO.replace("imagee: typo", "lifecycle: {preStop: {}}")),
        "line 10: spec.template.spec.containers[0].lifecycle: must not set the field(s)"
    );
    assert!(parse(&HELLO.replace("imagee: typo", "stdin: false")).is_ok(), "as if it were not there");
}

#[test]
fn values_of_the_wrong_type_are_told_with_path_and_line() {
    for (from, to, expected) in [
        (
            "value: b",
            "value: 8080",
            "line 12: spec.template.spec.containers[0].env[0].value: expected a string (in quotes), found the number 8080",
        ),
        (
            "value: b",
            "value: true",
            "line 12: spec.template.spec.containers[0].env[0].value: expected a string (in quotes), found true",
        ),
        (
            "- image: hello:1",
            "- image: [a]",
            "line 9: spec.template.spec.containers[0].image: expected a string, found a list",
        ),
        ("  name: hello", "  - name", "line 3: metadata: expected a mapping, found a list"),
        (
            "      containers:\n",
            "      containerConcurrency: many\n      containers:\n",
            "line 8: spec.template.spec.containerConcurrency: expected a whole number, found string \"many\"",
        ),
        (
            "      containers:\n",
            "      timeoutSeconds: 1.5\n      containers:\n",
            "line 8: spec.template.spec.timeoutSeconds: expected a whole number, found floating point `1.5`",
        ),
    ] {
        assert_eq!(problem(&HELLO.replace(from, to)), expected);
    }
}

#[test]
fn unknown_kinds_and_versions_are_refused_by_name() {
    assert_eq!(
        problem("apiVersion: apps/v1\nkind: Deployment\n"),
        "line 2: kind: no matches for kind \"Deployment\" in version \"apps/v1\": served are Service, Configuration and \
         Route of serving.knative.dev/v1, and DomainMapping of serving.knative.dev/v1beta1"
    );
    assert_eq!(
        problem("apiVersion: v1\nkind: Service\n"),
        "line 2: kind: no matches for kind \"Service\" in version \"v1\": this platform's Service is of serving.knative.dev/v1"
    );
    assert_eq!(
        problem("apiVersion: serving.knative.dev/v1\nkind: Revision\n"),
        "line 2: kind: no matches for kind \"Revision\" in version \"serving.knative.dev/v1\": a Revision is made by its \
         Service or Configuration and cannot be applied"
    );
    assert_eq!(problem("\n\nkind: Service\n"), "line 3: apiVersion: missing field(s): apiVersion");
    assert_eq!(problem("hello"), "line 1: kind: missing field(s): kind");
}

#[test]
fn a_stream_may_hold_many_documents_and_empty_ones() {
    let other = HELLO.replace("name: hello", "name: other").replace("imagee: typo", "args: [a]");
    let text = format!("# a comment\n---\n{HELLO}---\n# nothing\n---\n{other}...\n---\n");
    let documents = parse(&text).unwrap();
    let found: Vec<(String, u32, usize)> =
        documents.iter().map(|d| (d.object.key().to_string(), d.line, d.index)).collect();
    assert_eq!(found, [("default/hello".to_owned(), 3, 0), ("default/other".to_owned(), 18, 1)]);
    assert!(parse("").unwrap().is_empty());
    assert!(parse("---\n---\n").unwrap().is_empty());
}

#[test]
fn every_broken_document_is_told() {
    let text = "kind: A\napiVersion: b\n---\nkind: C\napiVersion: d\n";
    let problems = parse(text).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn json_and_lists_are_read_too() {
    let json = r#"{
	"apiVersion": "v1",
	"kind": "List",
	"items": [
		{"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "a", "namespace": "n"},
		 "spec": {"template": {"spec": {"containers": [{"image": "i\/\u0041\ud83d\ude00"}]}}}},
		{"apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping", "metadata": {"name": "x.example.com"}}
	]
}"#;
    let documents = parse(json).unwrap();
    let keys: Vec<String> =
        documents.iter().map(|d| format!("{} {} {}", d.object.kind(), d.object.key(), d.line)).collect();
    assert_eq!(keys, ["Service n/a 5", "DomainMapping default/x.example.com 7"]);
    let Some(Draft::Service(service)) = documents[0].object.clone().into_draft() else {
        panic!("{documents:?}")
    };
    assert_eq!(service.spec.template.spec.containers[0].image, "i/A😀");
    let broken = json.replace("\"items\": [", "\"items\": [{\"kind\": 1},");
    assert_eq!(parse(&broken).unwrap_err()[0].line, 4);
}

#[test]
fn yaml_that_does_not_parse_is_told_with_its_line() {
    for (text, expected) in [
        ("kind: Service\n  apiVersion: b\n", "line 2: mapping values are not allowed in this context"),
        ("kind: [a\nspec: b\n", "line 2: illegal placement of ':' indicator"),
        ("a: b\nkind: \"open\n", "line 3: invalid indentation in multiline quoted scalar"),
        ("a:\n\t- b\n", "line 2: tabs disallowed within this context (block indentation)"),
        ("a: *nowhere\n", "line 1: alias references unknown anchor"),
        ("a: 1\nb: 2\na: 3\n", "line 3: duplicate mapping key: a"),
        ("# none\n---\n---\nx: }\n", "line 4: misplaced bracket"),
    ] {
        assert_eq!(problem(text), expected);
    }
}

#[test]
fn anchors_work_and_bombs_do_not() {
    let text = format!(
        "{}      labels: &l {{a: b}}\n",
        HELLO.replace("imagee: typo", "args: &a [x]\n        command: *a")
    );
    let documents = parse(&text).unwrap();
    let Some(Draft::Service(service)) = documents[0].object.clone().into_draft() else {
        panic!("{documents:?}")
    };
    assert_eq!(service.spec.template.spec.containers[0].command, ["x"]);

    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let above = format!("*a{},", level - 1).repeat(10);
        bomb += &format!("a{level}: &a{level} [{above}]\n");
    }
    assert_eq!(problem(&bomb), "line 5: aliases repeat too much (more than 100000 nodes)");
    let deep = "[".repeat(100_000);
    assert_eq!(problem(&deep), "line 1: nested too deeply (more than 64 levels)");
    let deep = (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect::<String>();
    assert_eq!(problem(&deep), "line 65: nested too deeply (more than 64 levels)");
}

#[test]
fn lines_of_paths_are_found_again() {
    let text = format!(
        "{HELLO}---\n{}",
        HELLO.replace("  name: hello", "  name: b\n  annotations:\n    x.y/z: q\n    x.y: r")
    );
    for (index, path, line) in [
        (0, "spec.template.spec.containers[0].env[0].name", 12),
        (0, "spec.template.spec.containers[0].ports[0].name", 9),
        (0, "spec.traffic", 5),
        (0, "", 1),
        (1, "metadata.annotations.x.y/z", 19),
        (1, "metadata.annotations.x.y", 20),
        (1, "metadata.annotations.nope", 18),
        (2, "spec", 0),
    ] {
        assert_eq!(locate(&text, index, path), line, "{path}");
    }
}

#[test]
fn null_is_the_empty_value() {
    let text =
        HELLO.replace("imagee: typo", "args:\n        command: null\n        workingDir: ~\n        ports:");
    let documents = parse(&text).unwrap();
    assert!(documents[0].warnings.is_empty());
}

/// Not a timed test: it would not come to an end in a lifetime if anything were quadratic in documents.
#[test]
fn many_services_parse() {
    let one = HELLO.replace("        imagee: typo\n", "");
    let text: String =
        (0..2_000).map(|n| format!("{}---\n", one.replace("name: hello", &format!("name: s-{n}")))).collect();
    let documents = parse(&text).unwrap();
    assert_eq!(documents.len(), 2_000);
    assert_eq!(documents[1_999].object.key(), Key::new("default", "s-1999"));
    assert!(documents.iter().all(|d| d.warnings.is_empty()));
}

/// The body of the fuzz target over its corpus, and over every beginning of each of its files.
#[test]
fn the_fuzz_corpus_is_survived() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/manifest");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        fuzz(&data);
        if !path.ends_with("alias-bomb.yaml") {
            (0..data.len().min(500)).step_by(7).for_each(|end| fuzz(&data[..end]));
        }
        files += 1;
    }
    assert!(files > 30, "{files} files in {corpus}");
}
