//! Where a program's lines go.

use forebay_local::{Event, Platform, Stream, Urgency};

use crate::support::{Site, eventually};

#[tokio::test]
async fn lines_come_as_events_and_in_a_file() {
    let mut site = Site::new().await;
    let key =
        site.run("hello", 1, &["log", "to out", "log-error", "to \u{1b}[31merr\u{1b}[0m \u{1b}[2J", "serve"]);
    let mut got = Vec::new();
    while got.len() < 2 {
        got.push(
            site.wait(|event| match event {
                Event::Log { key, replica, stream, line, .. } => Ok((key.to_string(), replica, stream, line)),
                other => Err(other),
            })
            .await,
        );
    }
    got.sort_by_key(|(_, _, stream, _)| *stream == Stream::Stderr);
    let name = "default/hello".to_owned();
    assert_eq!(
        got,
        [
            (name.clone(), 0, Stream::Stdout, "to out".to_owned()),
            (name, 0, Stream::Stderr, "to \u{1b}[31merr\u{1b}[0m \u{fffd}[2J".to_owned()),
        ]
    );
    let path = Platform::log_path(site.dir.path(), &key, 0);
    assert_eq!(path, site.path("logs/default/hello-0.log"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("\nto out\n") && text.contains("\u{1b}[2J\n"), "the file is as written: {text:?}");
    assert!(text.starts_with("--- default/hello replica 0: process "), "{text:?}");
}

#[tokio::test]
async fn a_chatty_program_fills_neither_memory_nor_disk_and_still_comes_up() {
    let mut site = Site::with(|options| options.log_file_limit = 1 << 20).await;
    // Some 11 MB, while nobody reads events.
    let key = site.run("chatty", 1, &["chat", "100000", "serve"]);
    let file = Platform::log_path(site.dir.path(), &key, 0);
    let has_last =
        |path: &std::path::Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("line 99999 "));
    eventually("all lines are written", || has_last(&file)).await;
    let old = file.with_added_extension("1");
    for path in [&file, &old] {
        let size = std::fs::metadata(path).unwrap().len();
        assert!(size < 2 << 20, "{} has {size} bytes", path.display());
    }
    site.ready().await;
    let shown: usize = site.lines.iter().map(String::len).sum();
    assert!(shown < 2 << 20, "{shown} bytes of events were waiting");
    site.platform.scale(&key, 0, Urgency::Routine);
}

#[tokio::test]
async fn lines_skipped_on_the_screen_are_counted() {
    let mut site = Site::new().await;
    let key = site.run("chatty", 1, &["chat", "20000", "serve"]);
    let file = Platform::log_path(site.dir.path(), &key, 0);
    eventually("all lines are written", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("line 19999 "))
    })
    .await;
    let note = site
        .wait(|event| match event {
            Event::Notice { message, .. } => Ok(message),
            other => Err(other),
        })
        .await;
    let skipped: usize = note.split(' ').nth(1).unwrap().parse().unwrap();
    let shown = site.lines.iter().filter(|line| line.starts_with("line ")).count();
    assert_eq!(shown + skipped, 20_000);
    assert!(note.ends_with(&format!("came too fast to be shown; they are in {}", file.display())), "{note}");
}
