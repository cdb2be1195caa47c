//! Keeps records in the journal of the state directory, off the loop. Knows nothing of what they mean.

use forebay_xds_control::{Journal, Record};
use tokio::sync::mpsc;

/// Writes records to the journal, one batch after the other, off the loop. Done when the sender is gone.
pub(super) fn writer(
    mut journal: Journal,
) -> (mpsc::UnboundedSender<Vec<Record>>, tokio::task::JoinHandle<()>) {
    let (keep, mut batches) = mpsc::unbounded_channel::<Vec<Record>>();
    let task = tokio::task::spawn_blocking(move || {
        let mut failing = false;
        while let Some(records) = batches.blocking_recv() {
            match journal.write(&records) {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(%error, "state cannot be kept; what runs goes on, a restart may not know it");
                }
                Err(_) => {}
            }
        }
    });
    (keep, task)
}
