//! The control plane of one machine: events of sources and of the platform in, resources, work and words out. Owns the
//! world and writes the store; knows nothing of files, processes, or who reads the store. Time is an argument, and every
//! call costs what it changes.

mod place;
mod saved;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use forebay_base::tree::Tree;
use forebay_knative::api::{Kind, Revision, RevisionState};
use forebay_knative::manifest::{self, Document};
use forebay_knative::world::{Changes, Config, Outcome, RevisionChange, World};
use forebay_knative::{Key, RevisionKey};
use forebay_proto::type_url;
use forebay_xds_server::Store;

use crate::declared::{Declared, Step};
use crate::directory::Event;
use crate::state::Record;
use crate::translate::{self, Endpoint, Settings};
pub use work::{Level, Line, Run, Work};

/// The control plane. See the module.
pub struct Control {
    world: World,
    store: Store,
    settings: Settings,
    declared: Declared,
    /// KIngresses that stand.
    placed: Tree<Key, Placed>,
    /// Routes that DomainMappings lead to, with those.
    mapped: BTreeMap<Key, BTreeSet<Key>>,
    /// Revisions whose cluster is in the store.
    revisions: Tree<RevisionKey, Known>,
    folders: Folders,
    /// What sources saw and was not carried out yet.
    pending: VecDeque<Step>,
    /// The file that those steps are from.
    text: Option<(Arc<Path>, Arc<str>)>,
}

/// Steps carried out at once: some milliseconds.
const PART: usize = 16;

/// What a KIngress came to.
#[derive(Default)]
struct Placed {
    /// Of a DomainMapping's, the Route that it leads to.
    leads_to: Option<Box<Key>>,
    /// The names of the virtual hosts it made.
    hosts: Box<[Box<str>]>,
}

/// Folders of manifests: few, and each is named by every revision that came from it.
#[derive(Default)]
struct Folders(BTreeSet<Arc<Path>>);

impl Folders {
    fn one(&mut self, folder: &Path) -> Arc<Path> {
        if let Some(known) = self.0.get(folder) {
            return known.clone();
        }
        let folder: Arc<Path> = folder.into();
        self.0.insert(folder.clone());
        folder
    }
}

struct Known {
    revision: Arc<Revision>,
    /// Where the manifest was that it came from.
    home: Arc<Path>,
}

impl Control {
    /// An empty world. The listener and the route configuration are in the store when this returns.
    pub fn new(config: Config, settings: Settings, store: Store) -> Self {
        Self::around(World::new(config), settings, store)
    }

    /// The world of a state directory, and what is to be run of it. Records that cannot be read are told of and left out.
    pub fn restore(
        config: Config,
        settings: Settings,
        store: Store,
        records: impl IntoIterator<Item = Record>,
        now: SystemTime,
    ) -> (Self, Work) {
        let mut saved = saved::Others::default();
        let objects = records.into_iter().filter_map(|record| saved.take(&record));
        let mut control = Self::around(World::restore(config, objects, now), settings, store);
        let roots: Vec<_> = control.world.roots().map(|(kind, key)| (kind, key.clone())).collect();
        let mut prints = saved.prints;
        for id in roots {
            let print = prints.remove(&id).unwrap_or_default();
            control.declared.restore(id, print);
        }
        let mut work = Work::default();
        work.lines.extend(saved.problems.into_iter().map(|problem| Line::new(Level::Warning, problem)));
        loop {
            let changes = control.world.take_some_changes(PART);
            let is_last = changes.revisions.len() + changes.ingresses.len() < PART;
            control.carry_out(changes, &saved.homes, &mut work);
            if is_last {
                return (control, work);
            }
        }
    }

    fn around(world: World, settings: Settings, store: Store) -> Self {
        store.batch(|batch| {
            batch.set(type_url::ROUTE, translate::ROUTES, &translate::route_configuration());
            batch.set(type_url::LISTENER, translate::LISTENER, &translate::listener(&settings));
        });
        Control {
            world,
            store,
            settings,
            declared: Declared::default(),
            placed: Tree::new(),
            mapped: BTreeMap::new(),
            revisions: Tree::new(),
            folders: Folders::default(),
            pending: VecDeque::new(),
            text: None,
        }
    }

    /// What a source saw, all of it at once.
    pub fn apply_source(&mut self, event: Event, now: SystemTime) -> Work {
        let mut work = self.begin_source(event);
        self.advance(usize::MAX, now, &mut work);
        work
    }

    /// What a source saw, to be carried out by [`Self::next_part`] until nothing [`is_pending`](Self::is_pending): a
    /// manifest of thousands would hold up everybody else, and its records and resources would all be in memory at once.
    pub fn begin_source(&mut self, event: Event) -> Work {
        let mut work = Work::default();
        match event {
            Event::Broken { path, problems } => {
                for problem in problems {
                    let line = Line::new(Level::Error, describe(&problem.path, &problem.message))
                        .at(&path, problem.line);
                    work.lines.push(line);
                }
            }
            Event::File { path, text, documents } => {
                for document in &documents {
                    for warning in &document.warnings {
                        let words = describe(&warning.path, &warning.message);
                        work.lines.push(Line::new(Level::Warning, words).at(&path, warning.line));
                    }
                }
                self.pending.extend(self.declared.file(&path, documents));
                // Nothing to apply is nothing to find the lines of.
                self.text = self.is_pending().then_some((path, text));
            }
            Event::Gone { path } => self.pending.extend(self.declared.gone(&path)),
            Event::Settled => self.pending.extend(self.declared.settled()),
        }
        work
    }

    /// Whether something that a source saw is still to be carried out.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Carries out the next few steps.
    pub fn next_part(&mut self, now: SystemTime) -> Work {
        let mut work = Work::default();
        self.advance(PART, now, &mut work);
        work
    }

    fn advance(&mut self, steps: usize, now: SystemTime, work: &mut Work) {
        for _ in 0..steps {
            let Some(step) = self.pending.pop_front() else { break };
            self.take(step, now, work);
        }
        if self.pending.is_empty() {
            (self.pending, self.text) = (VecDeque::new(), None);
        }
        self.settle(work);
    }

    /// Several revisions come to one state in one change: what follows is written once.
    pub fn revision_states(&mut self, keys: &[RevisionKey], state: &RevisionState, now: SystemTime) -> Work {
        for key in keys {
            self.world.set_revision_state(key, state.clone(), now);
        }
        let mut work = Work::default();
        self.settle(&mut work);
        work
    }

    /// What the platform has to say of a revision.
    pub fn revision_state(&mut self, key: &RevisionKey, state: RevisionState, now: SystemTime) -> Work {
        self.world.set_revision_state(key, state, now);
        let mut work = Work::default();
        self.settle(&mut work);
        work
    }

    /// A revision's replicas as they are now: written at once, whatever else is going on. Returns the number to wait for
    /// with [`Store::acked_of`] until every proxy knows; `None` if there is no such revision.
    pub fn set_endpoints(&self, key: &RevisionKey, endpoints: &[Endpoint]) -> Option<u64> {
        if !self.revisions.contains_key(key) {
            return None;
        }
        let assignment = translate::assignment(key, endpoints);
        self.store.set(type_url::ENDPOINTS, &assignment.cluster_name, &assignment);
        Some(self.store.head())
    }

    /// Takes the steps of gradual rollouts that are due, and says when the next one is.
    pub fn tick(&mut self, now: SystemTime) -> (Work, Option<SystemTime>) {
        let next = self.world.tick(now);
        let mut work = Work::default();
        self.settle(&mut work);
        (work, next)
    }

    /// The objects, for the screen.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The resources.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Everything as records: what a new state directory would hold. [`Work::records`] has what changed.
    pub fn save(&self) -> Vec<Record> {
        let revisions = self
            .world
            .revisions()
            .map(|(key, ..)| (Kind::Revision, Key::new(key.namespace.clone(), key.name.clone())));
        let roots = self.world.roots().flat_map(|(kind, key)| match kind {
            Kind::Service => vec![
                (Kind::Service, key.clone()),
                (Kind::Configuration, key.clone()),
                (Kind::Route, key.clone()),
            ],
            kind => vec![(kind, key.clone())],
        });
        revisions.chain(roots).map(|(kind, key)| self.record(kind, &key)).collect()
    }

    fn take(&mut self, step: Step, now: SystemTime, work: &mut Work) {
        match step {
            Step::Apply(path, document) => {
                let text = self.text.as_ref().filter(|(file, _)| *file == path).map(|(_, text)| text.clone());
                self.apply(&path, *document, text.as_deref(), now, work);
            }
            Step::Delete((kind, key)) => {
                if self.world.delete(kind, &key, now) {
                    work.lines.push(Line::new(Level::Info, format!("{kind} {key} deleted")));
                }
            }
            Step::Taken { path, line, id: (kind, key), by } => {
                let words = format!("{kind} {key} is declared in {} already, which stays", by.display());
                work.lines.push(Line::new(Level::Error, words).at(&path, line));
            }
        }
    }

    /// `text` is the file's, where it is at hand: with it errors can name their own line.
    fn apply(
        &mut self,
        path: &Arc<Path>,
        document: Document,
        text: Option<&str>,
        now: SystemTime,
        work: &mut Work,
    ) {
        let Document { object, line, index, .. } = document;
        let (kind, key) = (object.kind(), object.key());
        let line_of = |paths: &[String]| match (text, paths.first()) {
            (Some(text), Some(path)) => manifest::locate(text, index, path),
            _ => line,
        };
        match self.world.apply(object, now) {
            Ok(applied) => {
                for warning in &applied.warnings {
                    let words = format!("{kind} {key}: {warning}");
                    work.lines.push(Line::new(Level::Warning, words).at(path, line_of(&warning.paths)));
                }
                let done = match applied.outcome {
                    Outcome::Created => "created",
                    Outcome::Configured => "configured",
                    Outcome::Unchanged => return,
                };
                work.lines.push(Line::new(Level::Info, format!("{kind} {key} {done}")));
            }
            Err(invalid) => {
                self.declared.refused(&(kind, key.clone()));
                for error in &invalid.0 {
                    let words = format!("{kind} {key}: {error}");
                    work.lines.push(Line::new(Level::Error, words).at(path, line_of(&error.paths)));
                }
            }
        }
    }

    /// Writes and tells what follows from what happened to the world.
    fn settle(&mut self, work: &mut Work) {
        let changes = self.world.take_changes();
        self.carry_out(changes, &HashMap::new(), work);
    }

    /// `homes`: of revisions from before a restart.
    fn carry_out(&mut self, changes: Changes, homes: &HashMap<RevisionKey, Arc<Path>>, work: &mut Work) {
        let store = self.store.clone();
        let mut head = None;
        if !changes.revisions.is_empty() || !changes.ingresses.is_empty() {
            // One batch: additions in the order they are made, what refers after what is referred to, removals last.
            head = Some(store.batch(|batch| {
                for change in &changes.revisions {
                    self.place_revision(change, homes, batch);
                }
                for (key, ingress) in changes.ingresses {
                    self.place_ingress(key, ingress.as_ref(), batch);
                }
                for change in &changes.revisions {
                    self.remove_revision(change, batch);
                }
            }));
        }
        work.seq = work.seq.max(head);
        work.records.extend(changes.touched.iter().map(|(kind, key)| self.record(*kind, key)));
        work.lines.extend(changes.notes.into_iter().map(|note| {
            let file = self.declared.file_of(&(note.kind, note.key.clone())).cloned();
            let line = Line::from(note);
            match file {
                Some(file) if line.level == Level::Warning => line.at(&file, 0),
                _ => line,
            }
        }));
        let runs = changes.revisions.into_iter().map(|change| self.run(change));
        work.runs.extend(runs.collect::<Vec<_>>());
    }

    fn run(&self, change: RevisionChange) -> Run {
        let home =
            self.revisions.get(&change.key).map_or_else(|| Path::new(".").into(), |known| known.home.clone());
        Run {
            key: change.key,
            revision: change.revision,
            reachable: change.reachable,
            state: change.state,
            home,
        }
    }
}

/// A field and what is wrong with it.
fn describe(path: &str, message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") }
}
