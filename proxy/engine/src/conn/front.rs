//! A listener as one worker has it: accept loops, and what its filter chains become when the configuration changes. Knows no
//! bytes of a connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use forebay_model::{ChainMatch, FilterChain, HttpManager, Listener as Config};
use forebay_net::{Accepted, Acceptor, Phase};
use forebay_telemetry::{Listener, ListenerStats};
use tokio::sync::Notify;

use super::{HttpState, Listening, arrive};
use crate::worker::Worker;

/// A listener. It outlives its configuration's updates.
pub(crate) struct Front {
    name: Arc<str>,
    chains: RefCell<Rc<Chains>>,
    closed: Cell<bool>,
    close: Notify,
}

/// What is in force of a listener.
pub(crate) struct Chains {
    pub(crate) config: Arc<Config>,
    /// One for each of the configuration's chains, in its order, the default one last.
    each: Vec<Rc<Listening>>,
    /// The only chain, where nothing has to be known to choose it.
    pub(crate) only: Option<Rc<Listening>>,
}

impl Chains {
    fn new(worker: &Worker, config: &Arc<Config>, before: Option<&Chains>) -> Rc<Self> {
        let mut states = States { worker, before, made: Vec::new() };
        let mut left: VecDeque<_> = before.map_or_else(VecDeque::new, |b| b.each.iter().collect());
        let each: Vec<Rc<Listening>> = config
            .all_chains()
            .map(|chain| Listening::next(chain, &mut left, states.of(&chain.http)))
            .inspect(|listening| {
                listening.inbound.set(config.inbound);
                listening.drains_when_failing.set(config.drains_when_failing);
            })
            .collect();
        left.iter().for_each(|gone| gone.left.set(true));
        let only = match each.as_slice() {
            [only] if config.chains.iter().all(|chain| chain.matches == ChainMatch::default()) => {
                Some(only.clone())
            }
            _ => None,
        };
        Rc::new(Self { config: config.clone(), each, only })
    }

    /// The chain of a place, or the default one.
    pub(crate) fn at(&self, place: Option<usize>) -> Option<&Rc<Listening>> {
        match place {
            Some(place) => self.each.get(place),
            None => self.config.default_chain.as_ref().and(self.each.last()),
        }
    }
}

/// What chains that treat requests alike share.
struct States<'w> {
    worker: &'w Worker,
    before: Option<&'w Chains>,
    made: Vec<Rc<HttpState>>,
}

impl States<'_> {
    fn of(&mut self, manager: &Arc<HttpManager>) -> Rc<HttpState> {
        if let Some(known) = self.made.iter().find(|state| Arc::ptr_eq(&state.manager, manager)) {
            return known.clone();
        }
        let same = |state: &Rc<HttpState>| *state.manager == **manager;
        let before = || self.before.iter().flat_map(|chains| &chains.each).map(|chain| chain.http());
        let state = match before().find(same) {
            Some(known) => known,
            None => {
                let sibling = before().find(|state| state.manager.stat_prefix == manager.stat_prefix);
                HttpState::new(self.worker, manager, sibling.as_deref())
            }
        };
        // Under the name it is asked by: the next chain has the same.
        self.made.push(state.clone());
        state
    }
}

impl Listening {
    /// A chain as it goes on from those that `left` has of before: the one for the same connections, or the one with the same
    /// certificates. Its connections know nothing of the change but how their requests are treated.
    fn next(chain: &Arc<FilterChain>, left: &mut VecDeque<&Rc<Self>>, http: Rc<HttpState>) -> Rc<Self> {
        let tls = |own: &FilterChain| match (&own.tls, &chain.tls) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let found = left
            .iter()
            .position(|own| own.chain.borrow().matches == chain.matches)
            .or_else(|| left.iter().position(|own| tls(&own.chain.borrow())));
        // In order, as most of them come: thousands of chains are found where they were.
        let Some(own) = found.and_then(|found| left.remove(found)).cloned() else {
            return Rc::new(Self {
                chain: RefCell::new(chain.clone()),
                chain_name: RefCell::new((*chain.name).into()),
                http: RefCell::new(http),
                left: Cell::new(false),
                inbound: Cell::new(false),
                drains_when_failing: Cell::new(true),
            });
        };
        *own.chain.borrow_mut() = chain.clone();
        if **own.chain_name.borrow() != *chain.name {
            *own.chain_name.borrow_mut() = (*chain.name).into();
        }
        *own.http.borrow_mut() = http;
        own
    }
}

impl Front {
    /// Accepts no more.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.close.notify_waiters();
    }

    async fn closed(&self) {
        let notified = self.close.notified();
        if !self.closed.get() {
            notified.await;
        }
    }

    /// Whether it takes what comes in: a drain may be for such listeners alone.
    pub(crate) fn is_inbound(&self) -> bool {
        self.chains.borrow().config.inbound
    }

    /// What is in force now.
    pub(crate) fn chains(&self) -> Rc<Chains> {
        self.chains.borrow().clone()
    }

    /// Hands buffered log lines to their files' threads.
    pub(crate) fn flush_logs(&self) {
        let chains = self.chains();
        let mut before: Option<Rc<HttpState>> = None;
        for chain in &chains.each {
            let http = chain.http();
            // Most chains share what they do with their neighbours.
            if before.as_ref().is_none_or(|before| !Rc::ptr_eq(before, &http)) {
                http.flush_logs();
            }
            before = Some(http);
        }
    }
}

/// Makes a worker's listeners what an update says: a known name keeps its sockets and connections, and only what its requests
/// are treated by changes.
pub(crate) fn configure(
    worker: &Rc<Worker>,
    listeners: &RefCell<Vec<Rc<Front>>>,
    name: &Arc<str>,
    config: Option<&Arc<Config>>,
    sockets: &mut Vec<(Arc<str>, TcpListener)>,
) {
    // One that accepts no more is known all the same: its connections obey.
    let known = listeners.borrow().iter().find(|l| l.name == *name).cloned();
    let mine: Vec<TcpListener> = {
        let (mine, rest): (Vec<_>, Vec<_>) = sockets.drain(..).partition(|(n, _)| n == name);
        *sockets = rest;
        mine.into_iter().map(|(_, socket)| socket).collect()
    };
    let Some(config) = config else {
        if let Some(known) = known {
            known.close();
            known.chains().each.iter().for_each(|chain| chain.left.set(true));
            listeners.borrow_mut().retain(|l| !Rc::ptr_eq(l, &known));
        }
        return;
    };
    let chains = Chains::new(worker, config, known.as_ref().map(|known| known.chains()).as_deref());
    if let Some(known) = &known {
        *known.chains.borrow_mut() = chains.clone();
        if mine.is_empty() {
            return;
        }
        // New addresses: the old sockets go, their connections stay.
        known.close();
        listeners.borrow_mut().retain(|l| !Rc::ptr_eq(l, known));
    }
    if mine.is_empty() {
        return;
    }
    let front = Rc::new(Front {
        name: name.clone(),
        chains: RefCell::new(chains),
        closed: Cell::new(false),
        close: Notify::new(),
    });
    listeners.borrow_mut().push(front.clone());
    for socket in mine {
        match Acceptor::new(socket, worker.limit.clone()) {
            Ok(acceptor) => drop(tokio::task::spawn_local(accept(worker.clone(), front.clone(), acceptor))),
            Err(error) => {
                tracing::error!(listener = %name, %error, "a worker cannot take over a listening socket")
            }
        }
    }
}

async fn accept(worker: Rc<Worker>, on: Rc<Front>, mut acceptor: Acceptor) {
    let stats = worker.stats.listener(&acceptor.local().to_string().into());
    let mut guard = worker.drain.guard();
    loop {
        let accepted = {
            let next = acceptor.accept();
            tokio::pin!(next);
            let closed = on.closed();
            tokio::pin!(closed);
            poll_fn(|cx| {
                if closed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                while let Poll::Ready(phase) = guard.poll_phase(cx) {
                    if phase >= Phase::Closing {
                        return Poll::Ready(None);
                    }
                }
                next.as_mut().poll(cx).map(Some)
            })
            .await
        };
        match accepted {
            Some(Ok(accepted)) => serve(&worker, &on, &stats, acceptor.local(), accepted),
            Some(Err(forebay_net::Refused::Limit { .. })) => stats.inc(Listener::DownstreamCxOverflow),
            Some(Err(_)) => stats.inc(Listener::AcceptErrors),
            None => break,
        }
    }
    for accepted in acceptor.leftover().into_iter().flatten() {
        serve(&worker, &on, &stats, acceptor.local(), accepted);
    }
}

fn serve(worker: &Rc<Worker>, on: &Rc<Front>, stats: &ListenerStats, local: SocketAddr, accepted: Accepted) {
    let Accepted { stream, peer, slot } = accepted;
    stats.inc(Listener::DownstreamCxTotal);
    stats.inc(Listener::DownstreamCxActive);
    // The address accepted on; an unspecified one says too little, so the kernel is asked.
    let local = if local.ip().is_unspecified() { stream.local_addr().unwrap_or(local) } else { local };
    let ends = arrive::Ends { local, remote: peer };
    let open = {
        let stats = stats.clone();
        arrive::Closing(move || {
            stats.dec(Listener::DownstreamCxActive);
            stats.inc(Listener::DownstreamCxDestroy);
        })
    };
    // Two boxes one after the other, so that a connection which idles has no room for what was needed at its beginning.
    let begun = Box::pin(arrive::begin(worker.clone(), on.clone(), stats.clone(), ends, stream));
    tokio::task::spawn_local(async move {
        if let Some(served) = begun.await {
            served.await;
        }
        drop((open, slot));
    });
}
