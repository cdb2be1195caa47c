use super::*;

fn table(items: &[(&str, &str, u64)]) -> Table {
    let mut table = Table::default();
    for (name, body, seq) in items {
        table.set(name, body.as_bytes(), *seq);
    }
    table
}

fn names<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<&'a str> {
    entries.map(|e| e.name).collect()
}

#[test]
fn the_history_holds_each_name_once_at_its_last_change() {
    let t = table(&[("a", "1", 1), ("b", "1", 2), ("a", "2", 3), ("a", "3", 4)]);
    assert_eq!(names(t.changed(0, 9)), ["b", "a"]);
    assert_eq!(names(t.changed(2, 9)), ["a"]);
    assert_eq!(*t.find("a").unwrap().body, *b"3");
    assert_eq!(names(t.changed(4, 9)), [""; 0]);
    assert_eq!(names(t.changed(9, 2)), [""; 0]);
    assert_eq!(names(t.changed(u64::MAX, u64::MAX)), [""; 0]);
}

#[test]
fn an_identical_write_is_no_change() {
    let mut t = table(&[("a", "1", 1)]);
    assert!(!t.set("a", b"1", 2));
    assert_eq!(t.find("a").unwrap().seq, 1);
}

#[test]
fn a_removal_is_remembered_until_heard_and_undone_by_a_new_write() {
    let mut t = table(&[("a", "1", 1), ("b", "1", 2)]);
    assert!(t.remove("a", 3));
    assert!(!t.remove("a", 4));
    assert_eq!(names(t.removed(0, 9)), ["a"]);
    assert_eq!(names(t.all(None)), ["b"]);
    t.set("a", b"1", 5);
    assert_eq!(names(t.removed(0, 9)), [""; 0]);
    t.remove("a", 6);
    t.prune(5);
    assert_eq!(names(t.removed(0, 9)), ["a"]);
    t.prune(6);
    assert_eq!(names(t.removed(0, 9)), [""; 0]);
    assert_eq!(t.forgotten(), 6);
}

#[test]
fn a_namespace_is_what_is_directly_under_it() {
    let t = table(&[
        ("s/a", "", 1),
        ("s/b/c", "", 2),
        ("s", "", 3),
        ("s0", "", 4),
        ("s/z", "", 5),
        ("st/a", "", 6),
    ]);
    assert_eq!(names(t.all(Some("s"))), ["s/a", "s/z"]);
    assert_eq!(names(t.all(Some("s/b"))), ["s/b/c"]);
}

#[test]
fn removals_nobody_hears_of_are_bounded() {
    let mut t = Table::default();
    let mut seq = 0;
    for i in 0..MAX_GONE + 10 {
        let name = i.to_string();
        t.set(&name, b"", seq + 1);
        t.remove(&name, seq + 2);
        seq += 2;
    }
    assert_eq!(t.gone.len(), MAX_GONE);
    assert_eq!(t.gone_names.len(), MAX_GONE);
    assert!(t.forgotten() > 0);
}
