//! What a fleet listens on: opens the sockets of listeners, and remembers what could not be opened. Knows of workers how many there
//! are.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use forebay_model::{Address, Listener};
use forebay_net::BindError;

/// A listener's sockets as the kernel has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Where it listens; never port 0.
    pub addresses: Vec<SocketAddr>,
}

/// What is bound, by listener, and what is so no more.
#[derive(Default)]
pub(super) struct Sockets {
    all: HashMap<Arc<str>, Own>,
    closed: Closed,
    /// Listeners that could not be opened, to be tried again.
    unopened: HashMap<Arc<str>, Arc<Listener>>,
}

/// A listener's addresses as configured and, with the ports the kernel picked, as bound.
struct Own {
    asked: Vec<Address>,
    actual: Vec<SocketAddr>,
    inbound: bool,
}

/// Which listeners accept no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Closed {
    #[default]
    None,
    Inbound,
    All,
}

impl Closed {
    fn covers(self, inbound: bool) -> bool {
        self == Closed::All || (self == Closed::Inbound && inbound)
    }
}

/// Listeners by name; `None` is one that goes.
type Listeners = Vec<(Arc<str>, Option<Arc<Listener>>)>;

/// Sockets by listener, for each worker.
type Opened = Vec<Vec<(Arc<str>, TcpListener)>>;

/// What a change came to.
pub(super) struct Changed {
    pub(super) opened: Opened,
    pub(super) failed: Vec<(Arc<str>, BindError)>,
    /// Addresses that are not listened on any more.
    pub(super) gone: Vec<SocketAddr>,
}

impl Sockets {
    /// Opens what is new. What goes has to stand before what comes: an address may pass from one to the other.
    pub(super) fn change(&mut self, listeners: &Listeners, workers: usize) -> Changed {
        let opened = (0..workers).map(|_| Vec::new()).collect();
        let mut changed = Changed { opened, failed: Vec::new(), gone: Vec::new() };
        for (name, listener) in listeners {
            self.unopened.remove(name);
            let Some(listener) = listener else {
                changed.gone.extend(self.all.remove(name).map(|own| own.actual).unwrap_or_default());
                continue;
            };
            if self.all.get(name).is_some_and(|own| own.asked == listener.addresses) {
                continue;
            }
            if self.closed.covers(listener.inbound) {
                tracing::info!(listener = %name, "it is not listened on: listeners have been stopped");
                continue;
            }
            self.open(name, listener, &mut changed);
        }
        changed
    }

    /// Tries those again that could not be opened; which of them are open now, and what that came to.
    pub(super) fn try_again(&mut self, workers: usize) -> (Listeners, Changed) {
        let opened = (0..workers).map(|_| Vec::new()).collect();
        let mut changed = Changed { opened, failed: Vec::new(), gone: Vec::new() };
        let mut late = Vec::new();
        for (name, listener) in std::mem::take(&mut self.unopened) {
            if self.closed.covers(listener.inbound) {
                continue;
            }
            self.open(&name, &listener, &mut changed);
            if !self.unopened.contains_key(&name) {
                late.push((name, Some(listener)));
            }
        }
        (late, changed)
    }

    /// Whether there are some to try again.
    pub(super) fn has_unopened(&self) -> bool {
        !self.unopened.is_empty()
    }

    /// All addresses of a listener, or none: then it stays where it was, if it was.
    fn open(&mut self, name: &Arc<str>, listener: &Arc<Listener>, changed: &mut Changed) {
        let bound: Result<Vec<_>, BindError> = (listener.addresses.iter())
            .map(|address| {
                let share = self.passes(name, address.socket, &changed.gone);
                let options =
                    forebay_net::Options { dual_stack: address.dual_stack, share, ..Default::default() };
                forebay_net::Bound::bind(address.socket, changed.opened.len(), options)
            })
            .collect();
        let bound = match bound {
            Ok(bound) => bound,
            Err(error) => {
                self.unopened.insert(name.clone(), listener.clone());
                return changed.failed.push((name.clone(), error));
            }
        };
        let actual: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
        for bound in bound {
            for (mine, socket) in changed.opened.iter_mut().zip(bound.sockets) {
                mine.push((name.clone(), socket));
            }
        }
        let own = Own { asked: listener.addresses.clone(), actual, inbound: listener.inbound };
        let before = self.all.insert(name.clone(), own).map(|own| own.actual).unwrap_or_default();
        let now = &self.all[name].actual;
        changed.gone.extend(before.into_iter().filter(|address| !now.contains(address)));
    }

    /// Whether an address passes to this listener from itself or from one that goes: workers close the sockets of before when they
    /// hear of the change, so for a moment both are open. What another listener has stays refused.
    fn passes(&self, name: &Arc<str>, at: SocketAddr, gone: &[SocketAddr]) -> bool {
        let meets = |other: &&SocketAddr| {
            let any = other.ip().is_unspecified() || at.ip().is_unspecified();
            other.port() == at.port() && (other.ip() == at.ip() || any)
        };
        let (own, others): (Vec<_>, Vec<_>) = self.all.iter().partition(|(other, _)| *other == name);
        let mut others = others.iter().flat_map(|(_, own)| &own.actual);
        let mut own = own.iter().flat_map(|(_, own)| &own.actual).chain(gone);
        own.any(|address| meets(&address)) && !others.any(|address| meets(&address))
    }

    /// What is bound now.
    pub(super) fn bound(&self) -> Vec<Bound> {
        let own =
            |(name, own): (&Arc<str>, &Own)| Bound { listener: name.clone(), addresses: own.actual.clone() };
        self.all.iter().map(own).collect()
    }

    /// Accepts no more, on inbound listeners or on all; those that come later do not begin to.
    pub(super) fn close(&mut self, inbound_only: bool) {
        self.closed = self.closed.max(if inbound_only { Closed::Inbound } else { Closed::All });
    }

    /// How many listeners have stopped accepting.
    pub(super) fn closed(&self) -> usize {
        self.all.values().filter(|own| self.closed.covers(own.inbound)).count()
    }
}
