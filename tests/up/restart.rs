//! Revisions outlive the process: a restart knows what traffic may still name; `--fresh` does not.

use crate::support::forebay::Forebay;
use crate::support::load::Load;
use crate::support::manifest::{documents, service};

const HOST: &str = "my-service.default.localhost";

#[tokio::test]
async fn a_restart_knows_the_revisions_and_fresh_forgets_them() {
    let forebay = Forebay::up(|mark| {
        documents(&[
            service("my-service", mark).revision("my-service-v1"),
            service("my-service", mark).revision("my-service-v2").latest(50).to("my-service-v1", 50),
        ])
    })
    .await;
    both(&forebay).await;
    let mark = forebay.mark();
    let (status, setup) = forebay.stop().await;
    assert!(status.success(), "{status}");

    // Only the second document is left; the first revision exists in the state alone.
    let split = service("my-service", &mark).revision("my-service-v2").latest(50).to("my-service-v1", 50);
    setup.save("app.yaml", &split);
    let forebay = setup.start().await;
    both(&forebay).await;
    let setup = forebay.kill();
    let forebay = setup.start().await;
    both(&forebay).await;

    let (_, setup) = forebay.stop().await;
    let forebay = setup.arg("--fresh").start().await;
    forebay.says(&["my-service-v1"]).await;
    let answer = forebay.get(HOST, "/").await;
    assert_ne!(answer.text(), "Hello my-service-v1!\n");
}

async fn both(forebay: &Forebay) {
    let tally = Load::new(forebay.address, HOST, "/", 4).run(60).await;
    tally.assert_all_ok();
    assert!(tally.said("v1") > 5 && tally.said("v2") > 5, "{tally:?}");
}
