//! Resources of files (`path_config_source`), in a control plane's place: read when they are first wanted, and whenever
//! something is moved to where they are; or again and again, where that is asked for (`poll_interval`). As in Envoy a file that
//! is written where it lies is otherwise not looked at, since it may be half there. Knows nothing of what a resource means.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use forebay_model::{EVERYTHING, FileResource};
use forebay_proto::Any;
use forebay_proto::envoy::service::discovery::v3::DiscoveryResponse;
use forebay_telemetry::hash::xxh64;
use forebay_xds_client::{Change, Interest, Outcome, Rejection, Resource, Subscriber, Tick};
use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use prost::Message;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::subscriber::{Subscribed, obey, publish};
use crate::{Shared, bootstrap};

/// Reads what is wanted until nobody can want anything any more.
pub(crate) async fn run(shared: Arc<Shared>, mut wishes: mpsc::UnboundedReceiver<Interest>) {
    let (told, mut moves) = mpsc::unbounded_channel();
    let mut files = Files { shared, told, watcher: None, wanted: BTreeMap::new(), places: BTreeMap::new() };
    loop {
        let due = files.due();
        let polled = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            wish = wishes.recv() => match wish {
                Some(Interest { type_url, add, remove }) => {
                    remove.iter().filter_map(|key| FileResource::of_key(key)).for_each(|file| files.leave(&type_url, file));
                    add.iter().filter_map(|key| FileResource::of_key(key)).for_each(|file| files.follow(&type_url, file));
                }
                None => return,
            },
            moved = moves.recv() => match moved {
                Some(moved) => files.moved(&moved),
                None => return,
            },
            () = polled => files.poll(Instant::now()),
        }
    }
}

/// Lets time pass for what came from files while there is no control plane, until `stop`.
pub(crate) async fn alone(mut subscribed: Subscribed, stop: impl Future<Output = ()>) {
    let wakes = subscribed.wakes();
    let mut stop = pin!(stop);
    loop {
        let Tick { next, interests } = subscribed.tick(Instant::now());
        for Interest { type_url, add, .. } in interests.iter().filter(|interest| !interest.add.is_empty()) {
            warn!(type_url, names = ?add, "wanted of a control plane, and dynamic_resources.ads_config names none");
        }
        let later = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wakes.notified() => {}
            () = later => {}
            () = &mut stop => return,
        }
    }
}

struct Files {
    shared: Arc<Shared>,
    /// Paths that something was moved to.
    told: mpsc::UnboundedSender<PathBuf>,
    /// Made for the first file.
    watcher: Option<RecommendedWatcher>,
    /// By type.
    wanted: BTreeMap<(String, FileResource), Followed>,
    /// Directories that are watched, and for how many.
    places: BTreeMap<PathBuf, usize>,
}

/// A file, as it was when it was last read.
#[derive(Default)]
struct Followed {
    standing: Standing,
    /// A hash of its bytes; none where it could not be read.
    seen: Option<u64>,
    /// When it is read again; none while something tells when that is due.
    due: Option<Instant>,
}

/// What became of it.
#[derive(Default, PartialEq)]
enum Standing {
    #[default]
    Unread,
    Good,
    Bad,
}

impl Files {
    /// Something is wanted of this file from now on.
    fn follow(&mut self, type_url: &str, file: FileResource) {
        let Entry::Vacant(entry) = self.wanted.entry((type_url.to_owned(), file.clone())) else { return };
        entry.insert(Followed::default());
        if file.poll.is_none() {
            // Watched first: a change is seen twice rather than not at all.
            self.watch(place(&file), &file);
        }
        self.read(type_url, &file);
    }

    /// Not any more.
    fn leave(&mut self, type_url: &str, file: FileResource) {
        let (place, polled) = (place(&file), file.poll.is_some());
        if self.wanted.remove(&(type_url.to_owned(), file)).is_none() || polled {
            return;
        }
        let Entry::Occupied(mut users) = self.places.entry(place) else { return };
        *users.get_mut() -= 1;
        if *users.get() == 0 {
            let (place, _) = users.remove_entry();
            // The directory may be gone, and its watch with it.
            let _ = self.watcher.as_mut().map(|watcher| watcher.unwatch(&place));
        }
    }

    fn watch(&mut self, place: PathBuf, file: &FileResource) {
        let users = self.places.entry(place.clone()).or_insert(0);
        *users += 1;
        if *users > 1 {
            return;
        }
        let watched = self.watcher().and_then(|watcher| watcher.watch(&place, RecursiveMode::NonRecursive));
        if let Err(error) = watched {
            warn!(file = &*file.path, place = %place.display(), %error, "cannot watch: changes are not noticed");
        }
    }

    fn watcher(&mut self) -> notify::Result<&mut RecommendedWatcher> {
        if self.watcher.is_none() {
            let told = self.told.clone();
            let hear = move |event: notify::Result<Event>| match event {
                Ok(event) if event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
                    // Nobody listens only while everything ends.
                    event.paths.into_iter().for_each(|path| drop(told.send(path)));
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "watching files of resources"),
            };
            self.watcher = Some(notify::recommended_watcher(hear)?);
        }
        self.watcher.as_mut().ok_or_else(|| notify::Error::generic("no watcher"))
    }

    /// Something was moved to `path`.
    fn moved(&mut self, path: &Path) {
        let is_it = |file: &FileResource| match (&file.directory, file.poll) {
            (_, Some(_)) => false,
            (Some(_), None) => path.parent() == Some(&place(file)),
            (None, None) => path == absolute(&file.path),
        };
        let due: Vec<_> = self.wanted.keys().filter(|(_, file)| is_it(file)).cloned().collect();
        due.iter().for_each(|(type_url, file)| self.read(type_url, file));
    }

    /// When the next file is to be read though nothing has told of a change.
    fn due(&self) -> Option<Instant> {
        self.wanted.values().filter_map(|followed| followed.due).min()
    }

    /// Reads the files whose time has come.
    fn poll(&mut self, now: Instant) {
        let has_come = |followed: &Followed| followed.due.is_some_and(|due| due <= now);
        let due: Vec<_> = self
            .wanted
            .iter()
            .filter(|(_, followed)| has_come(followed))
            .map(|(key, _)| key.clone())
            .collect();
        due.iter().for_each(|(type_url, file)| self.read(type_url, file));
    }

    /// Reads a file and puts it to use. What is wrong with it is told; what was before stays. The same bytes once more are
    /// counted, as in Envoy, and not told again.
    fn read(&mut self, type_url: &str, file: &FileResource) {
        let bytes = std::fs::read(&*file.path).map_err(|error| format!("{}: {error}", file.path));
        let Some(followed) = self.wanted.get_mut(&(type_url.to_owned(), file.clone())) else { return };
        let seen = bytes.as_ref().ok().map(|bytes| xxh64(bytes));
        let first = followed.standing == Standing::Unread;
        let news = first || followed.seen != seen;
        followed.seen = seen;
        followed.due = file.poll.map(|interval| Instant::now() + interval);
        let read = bytes.and_then(|bytes| {
            bootstrap::discovery(&file.path, &bytes).map_err(|problem| problem.to_string())
        });
        let readable = read.is_ok();
        let outcome = match read.and_then(|response| change(type_url, file, response)) {
            Ok(change) => {
                followed.standing = Standing::Good;
                if news {
                    let version = change.added.first().map_or("", |resource| resource.version.as_str());
                    info!(file = &*file.path, type_url, version, resources = change.added.len(), "read");
                    for Rejection { name, message } in &change.refused {
                        warn!(file = &*file.path, resource = %name, reason = %message, "a resource was refused");
                    }
                }
                obey(&self.shared, type_url, &change)
            }
            Err(why) => {
                followed.standing = Standing::Bad;
                if news {
                    warn!(type_url, reason = %why, "a file of resources was refused; what was before stays");
                }
                self.shared.updates.failed(type_url, &file.key(), readable);
                if first { self.without(type_url, file) } else { Outcome::default() }
            }
        };
        self.shared.aside.tell(outcome);
    }

    /// What waits for the file goes on without: as in Envoy a bad file does not keep the rest from starting.
    fn without(&self, type_url: &str, file: &FileResource) -> Outcome {
        self.shared.aside.came(type_url);
        let applied = self.shared.model().does_not_exist(type_url, &file.key(), Instant::now());
        publish(&self.shared, applied)
    }
}

/// What a file comes to. One that is asked for a name has that resource and no other.
fn change(type_url: &str, file: &FileResource, response: DiscoveryResponse) -> Result<Change, String> {
    let version = response.version_info;
    let resource = |name: String, body: Any| Resource { name, version: version.clone(), body: body.into() };
    let none = Change { full: false, added: Vec::new(), removed: Vec::new(), refused: Vec::new() };
    if *file.name == *EVERYTHING {
        let (mut seen, mut refused) = (HashSet::new(), Vec::new());
        let mut added: Vec<Resource> =
            response.resources.into_iter().map(|body| resource(name(&body), body)).collect();
        added.retain(|resource| {
            let new = seen.insert(resource.name.clone());
            if !new {
                let message = "is in the file twice; the first one counts".to_owned();
                refused.push(Rejection { name: resource.name.clone(), message });
            }
            new
        });
        return Ok(Change { full: true, added, refused, ..none });
    }
    match <[Any; 1]>::try_from(response.resources) {
        Ok([body]) => Ok(Change { added: vec![resource(file.key(), body)], ..none }),
        Err(all) => {
            let short = type_url.rsplit('.').next().unwrap_or(type_url);
            Err(format!(
                "{}: has {} resources; one {short}, {:?}, is wanted",
                file.path,
                all.len(),
                file.name
            ))
        }
    }
}

/// What a resource calls itself: the first field of all of them.
fn name(body: &Any) -> String {
    #[derive(Clone, PartialEq, Message)]
    struct Named {
        #[prost(string, tag = "1")]
        name: String,
    }
    // What is no message is refused by whoever reads it whole.
    Named::decode(body.value.as_slice()).unwrap_or_default().name
}

/// The directory to watch for a file.
fn place(file: &FileResource) -> PathBuf {
    match &file.directory {
        Some(directory) => absolute(directory),
        None => absolute(&file.path).parent().map_or_else(|| PathBuf::from("/"), Path::to_owned),
    }
}

fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}
