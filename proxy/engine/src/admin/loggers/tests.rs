//! One test, because there is one table: what is asked, what is printed by, what is shown.

use std::sync::Arc;

use super::*;

fn ask(pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    change(&pairs)
}

#[test]
fn levels_change_what_is_printed_and_a_refusal_changes_nothing() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = told.clone();
    on_change("warning", move |directives| {
        sink.lock().unwrap().push(directives.to_owned());
        Ok(())
    });
    let last = || told.lock().unwrap().last().cloned().unwrap_or_default();
    assert!(list().contains("  http: warning\n"), "{}", list());
    assert_eq!(ask(&[]), Ok(()));
    assert_eq!(last(), "", "asking is no change");

    assert_eq!(ask(&[("http", "debug")]), Ok(()));
    assert_eq!(last(), "warn,forebay_http=debug");
    assert_eq!(ask(&[("paths", "http:trace,main:off")]), Ok(()));
    assert_eq!(last(), "warn,forebay_http=trace,forebay=off,forebay_gateway=off");
    let shown = list();
    assert!(shown.contains("  main: off\n") && shown.contains("  http: trace\n"), "{shown}");

    for (asked, why) in [
        (&[("level", "foo")][..], "unknown logger level"),
        (&[("http", "bogus")], "unknown logger level"),
        (&[("nosuch", "debug")], "unknown logger name"),
        (&[("paths", "http:info,nosuch:debug")], "unknown logger name"),
        (&[("a", "b"), ("c", "d")], "invalid number of parameters"),
    ] {
        assert_eq!(ask(asked), Err(why.to_owned()), "{asked:?}");
    }
    assert_eq!(list(), shown, "refused as a whole");

    assert_eq!(ask(&[("level", "info")]), Ok(()));
    assert_eq!(last(), "info");
    assert!(!list().contains("trace") && !list().contains("off"));
}
