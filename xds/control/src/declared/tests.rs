use forebay_knative::manifest;

use super::*;

const A: &str = "one";
const B: &str = "two";

fn path(name: &str) -> Arc<Path> {
    Path::new(name).into()
}

/// Documents of Services, `name=image` each.
fn documents(services: &[&str]) -> Vec<Document> {
    let text: String = services
        .iter()
        .map(|service| {
            let (name, image) = service.split_once('=').unwrap();
            format!(
                "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\n\
                 spec: {{template: {{spec: {{containers: [{{image: {image}}}]}}}}}}\n"
            )
        })
        .collect();
    manifest::parse(&text).unwrap()
}

/// What is to be done, one line each.
fn steps(steps: Vec<Step>) -> Vec<String> {
    let text = |step: Step| match step {
        Step::Apply(path, document) => {
            let debug = format!("{:?}", document.object);
            let image = [A, B, "three"]
                .into_iter()
                .find(|image| debug.contains(&format!("\"{image}\"")))
                .unwrap_or("?");
            format!("apply {}={image} of {}", document.object.key().name, path.display())
        }
        Step::Delete((kind, key)) => format!("delete {kind} {key}"),
        Step::Taken { path, id: (_, key), by, .. } => {
            format!("{}: {key} is {}'s", path.display(), by.display())
        }
    };
    steps.into_iter().map(text).collect()
}

#[test]
fn documents_are_applied_in_the_order_of_the_file() {
    let mut declared = Declared::default();
    let first = declared.file(&path("f"), documents(&["x=one", "y=one", "x=two"]));
    assert_eq!(steps(first), ["apply x=one of f", "apply y=one of f", "apply x=two of f"]);
    assert!(steps(declared.file(&path("f"), documents(&["x=one", "y=one", "x=two"]))).is_empty());
}

#[test]
fn of_several_documents_of_an_object_those_from_the_first_change_on_are_applied() {
    let mut declared = Declared::default();
    declared.file(&path("f"), documents(&["x=one", "x=two"]));
    assert_eq!(steps(declared.file(&path("f"), documents(&["x=one", "x=three"]))), ["apply x=three of f"]);
    assert_eq!(
        steps(declared.file(&path("f"), documents(&["x=one", "x=three", "x=two"]))),
        ["apply x=two of f"]
    );
    assert_eq!(
        steps(declared.file(&path("f"), documents(&["x=one"]))),
        ["apply x=one of f"],
        "it was two before"
    );
    let all = steps(declared.file(&path("f"), documents(&["x=three", "x=one"])));
    assert_eq!(all, ["apply x=three of f", "apply x=one of f"]);
}

#[test]
fn what_was_refused_is_applied_again() {
    let mut declared = Declared::default();
    declared.file(&path("f"), documents(&["x=one"]));
    declared.refused(&(Kind::Service, Key::new("default", "x")));
    assert_eq!(steps(declared.file(&path("f"), documents(&["x=one"]))), ["apply x=one of f"]);
}

#[test]
fn the_first_file_has_it_until_it_lets_go() {
    let mut declared = Declared::default();
    declared.file(&path("a"), documents(&["x=one"]));
    assert_eq!(steps(declared.file(&path("b"), documents(&["x=two"]))), ["b: default/x is a's"]);
    assert!(steps(declared.file(&path("b"), documents(&["x=two"]))).is_empty(), "told once");
    assert_eq!(
        steps(declared.file(&path("a"), documents(&["y=one"]))),
        ["apply y=one of a", "apply x=two of b"]
    );
    assert_eq!(steps(declared.gone(&path("b"))), ["delete Service default/x"]);
    assert_eq!(steps(declared.gone(&path("a"))), ["delete Service default/y"]);
}

#[test]
fn a_file_that_came_too_late_and_goes_changes_nothing() {
    let mut declared = Declared::default();
    declared.file(&path("a"), documents(&["x=one"]));
    declared.file(&path("b"), documents(&["x=two"]));
    assert!(steps(declared.gone(&path("b"))).is_empty());
    assert_eq!(steps(declared.gone(&path("a"))), ["delete Service default/x"]);
}

#[test]
fn after_a_restart_what_nobody_declares_is_deleted() {
    let mut declared = Declared::default();
    declared.file(&path("f"), documents(&["x=one", "x=two"]));
    let id = (Kind::Service, Key::new("default", "x"));
    let prints = declared.prints(&id).to_vec();

    let mut again = Declared::default();
    again.restore(id, prints);
    again.restore((Kind::Service, Key::new("default", "y")), Vec::new());
    assert!(
        steps(again.file(&path("elsewhere"), documents(&["x=one", "x=two"]))).is_empty(),
        "known, wherever it is"
    );
    assert_eq!(steps(again.settled()), ["delete Service default/y"]);
    assert!(steps(again.settled()).is_empty());
}
