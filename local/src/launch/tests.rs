//! From container to command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use forebay_knative::api::EnvVar;
use tempfile::TempDir;

use super::*;

/// A folder with an executable `app`, another in `bin/tool`, and a plain file.
fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    for (name, mode) in [("app", 0o755), ("bin/tool", 0o755), ("plain", 0o644)] {
        fs::write(dir.path().join(name), "").unwrap();
        fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    dir
}

fn revision(container: Container) -> Revision {
    let revision = Revision::lone(&RevisionKey::new("default", "hello-00001"), "hello", container);
    Revision { service: Some("hello".into()), ..revision }
}

fn container(image: &str, command: &[&str], args: &[&str]) -> Container {
    let words = |words: &[&str]| words.iter().map(|&w| w.into()).collect();
    Container { image: image.into(), command: words(command), args: words(args), ..Container::default() }
}

fn launch(dir: &TempDir, images: &[(&str, &str)], container: Container) -> Result<Launch, Failure> {
    let mut options = Options::new(dir.path());
    options.images = images.iter().map(|(image, line)| ((*image).into(), (*line).into())).collect();
    options.images_dir = dir.path().join("bin");
    let site =
        Site { path: Some(dir.path().join("bin").into()), ..Site::new(&options, "/this/forebay".into()) };
    site.launch(&RevisionKey::new("default", "hello-00001"), &revision(container), dir.path(), 41_234)
}

#[test]
fn commands_are_found_beside_the_manifest_or_in_path() {
    let dir = folder();
    let app = dir.path().join("app");
    let tool = dir.path().join("bin/tool");
    for (command, program, name) in [
        ("./app", &app, app.to_str().unwrap()),
        ("bin/../app", &dir.path().join("bin/../app"), dir.path().join("bin/../app").to_str().unwrap()),
        (app.to_str().unwrap(), &app, app.to_str().unwrap()),
        ("tool", &tool, "tool"),
        ("forebay", &PathBuf::from("/this/forebay"), "forebay"),
    ] {
        let got = launch(&dir, &[], container("i", &[command, "-x"], &["y"])).unwrap();
        assert_eq!((&got.program, got.name.to_str()), (program, Some(name)), "{command}");
        assert_eq!(got.args, ["-x", "y"]);
        assert_eq!(got.dir, dir.path());
    }
}

#[test]
fn an_images_command_is_the_longest_that_names_it() {
    let dir = folder();
    let images = [
        ("app", "../app --any"),
        ("app:1", "../app --one 'two words'"),
        ("registry:5000/app", "tool"),
        ("bad", "./app 'x"),
        ("nothing", ""),
    ];
    let args =
        |image: &str| launch(&dir, &images, container(image, &[], &["more"])).map(|launch| launch.args);
    assert_eq!(args("app:1").unwrap(), ["--one", "two words", "more"]);
    for image in ["app:2", "app", "app@sha256:00", "app:2@sha256:00"] {
        assert_eq!(args(image).unwrap(), ["--any", "more"], "{image}");
    }
    assert_eq!(args("registry:5000/app").unwrap(), ["more"]);
    assert_eq!(args("registry:5000/app:7").unwrap(), ["more"]);
    for (image, text) in [
        ("apple", "nothing says how to run image apple on this machine; give --image 'apple=COMMAND'"),
        ("registry", "nothing says how to run image registry"),
        ("", "nothing says how to run image (none)"),
        ("bad", "--image 'bad=./app 'x': a ' is never closed"),
        ("nothing", "--image 'nothing=' names no command"),
    ] {
        let failure = args(image).unwrap_err();
        assert!(failure.message.starts_with("revision default/hello-00001: "), "{failure:?}");
        assert!(failure.message.contains(text), "{failure:?}");
    }
}

#[test]
fn an_images_command_is_relative_to_where_it_was_typed_or_to_the_manifest() {
    let dir = folder();
    let program = |line| launch(&dir, &[("i", line)], container("i", &[], &[])).map(|launch| launch.program);
    assert_eq!(program("./tool").unwrap(), dir.path().join("bin/tool"));
    assert_eq!(program("./app").unwrap(), dir.path().join("app"));
    let both = program("./none").unwrap_err().message;
    let (first, second) = (dir.path().join("bin/none"), dir.path().join("none"));
    assert!(both.contains(&format!("{} or {} does not exist", first.display(), second.display())), "{both}");
}

#[test]
fn variables_refer_to_those_before_them_and_cannot_replace_knatives() {
    let dir = folder();
    let env = |list: &[(&str, &str)]| {
        let env = list
            .iter()
            .map(|(name, value)| EnvVar { name: (*name).into(), value: (*value).into() })
            .collect();
        launch(&dir, &[], Container { env, ..container("i", &["./app"], &["$(A)"]) }).unwrap()
    };
    let got = env(&[("B", "$(A)"), ("A", "a$(PORT)"), ("C", "$(A)$(B)"), ("PORT", "1"), ("HOST", "::")]);
    let value = |name: &str| got.env.get(name).map(String::as_str);
    assert_eq!(value("A"), Some("a41234"));
    assert_eq!(value("B"), Some("$(A)"));
    assert_eq!(value("C"), Some("a41234$(A)"));
    assert_eq!(value("PORT"), Some("41234"));
    assert_eq!(value("HOST"), Some("::"));
    assert_eq!(value("K_SERVICE"), Some("hello"));
    assert_eq!(got.args, ["a41234"]);
}

#[test]
fn a_revision_of_two_containers_is_refused() {
    let dir = folder();
    let mut revision = revision(container("i", &["./app"], &[]));
    Arc::make_mut(&mut revision.spec).containers =
        vec![container("a", &[], &[]), container("b", &[], &[])].into();
    let site = Site::new(&Options::new(dir.path()), "/this".into());
    let failure = site.launch(&RevisionKey::new("default", "x"), &revision, dir.path(), 1).unwrap_err();
    assert_eq!(failure.reason, "CreateContainerConfigError");
    assert_eq!(failure.message, "revision default/x has 2 containers; on one machine a revision runs one");
}

#[test]
fn a_probes_command_has_the_containers_surroundings() {
    let dir = folder();
    let site = Site::new(&Options::new(dir.path()), "/this".into());
    let main = launch(&dir, &[], container("i", &["./app"], &["x"])).unwrap();
    let probe = site.probe(&main, dir.path(), &["./bin/tool".into(), "$(PORT)".into()]).unwrap();
    assert_eq!((probe.program, probe.args), (dir.path().join("bin/tool"), vec!["41234".to_owned()]));
    assert_eq!((probe.env, probe.dir), (main.env.clone(), main.dir.clone()));
    assert!(site.probe(&main, dir.path(), &["./none".into()]).unwrap_err().ends_with("/none does not exist"));
    assert_eq!(site.probe(&main, dir.path(), &[]).unwrap_err(), "its command is empty");
}
