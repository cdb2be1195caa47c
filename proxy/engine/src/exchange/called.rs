//! By which names an endpoint is asked for over TLS where a cluster leaves them to the request, and the pool that is apart for
//! each. Knows no connections.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use forebay_http::Head;
use forebay_model::{AutoNames, Cluster as Target};
use forebay_net::tls::Asked;
use hashbrown::HashMap;

use crate::worker::Worker;

/// Pools that are apart, of one worker; beyond these the ones without connections are forgotten.
const MOST: usize = 1024;

/// Above all identifiers of endpoints.
const FIRST: u64 = 1 << 63;

/// How an endpoint is asked for.
pub(crate) struct Called {
    /// The pool of its connections.
    pub(crate) pool: u64,
    /// The names, where the request says them.
    pub(crate) asked: Option<Box<Asked>>,
}

impl Called {
    /// For a request with this head.
    #[inline]
    pub(crate) fn of(worker: &Worker, cluster: &Target, endpoint: u64, head: &Head) -> Self {
        match &cluster.config.auto_names {
            None => Self { pool: endpoint, asked: None },
            Some(names) => Self::named(worker, names, endpoint, head),
        }
    }

    fn named(worker: &Worker, names: &AutoNames, endpoint: u64, head: &Head) -> Self {
        let own = names.header.as_deref().and_then(|header| head.get(header.as_bytes()));
        let host = bare(own.filter(|value| !value.is_empty()).unwrap_or(head.authority()));
        let host: Box<str> = String::from_utf8_lossy(host).to_ascii_lowercase().into();
        if host.is_empty() {
            return Self { pool: endpoint, asked: None };
        }
        let is_name = host.parse::<IpAddr>().is_err();
        let pool = worker.apart.pool(worker, endpoint, &host);
        let asked =
            Asked { sni: (names.sni && is_name).then(|| host.clone()), san: names.san.then_some(host) };
        Self { pool, asked: Some(Box::new(asked)) }
    }
}

/// A host without its port and without the brackets of an IPv6 address.
fn bare(authority: &[u8]) -> &[u8] {
    if let Some(rest) = authority.strip_prefix(b"[") {
        return rest.split(|&b| b == b']').next().unwrap_or_default();
    }
    match authority.iter().rposition(|&b| b == b':') {
        Some(colon) => authority.get(..colon).unwrap_or_default(),
        None => authority,
    }
}

/// Which pool is whose, where an endpoint has one for each name.
#[derive(Default)]
pub(crate) struct Apart {
    pools: RefCell<HashMap<(u64, Box<str>), u64, foldhash::fast::FixedState>>,
    made: Cell<u64>,
}

impl Apart {
    fn pool(&self, worker: &Worker, endpoint: u64, host: &str) -> u64 {
        let mut pools = self.pools.borrow_mut();
        let key = (endpoint, host.into());
        if let Some(known) = pools.get(&key) {
            return *known;
        }
        if pools.len() >= MOST {
            pools.retain(|_, pool| {
                let used = worker.pools.open_now(*pool) > 0;
                if !used {
                    worker.pools.forget(*pool);
                }
                used
            });
        }
        self.made.set(self.made.get() + 1);
        let pool = FIRST + self.made.get();
        pools.insert(key, pool);
        pool
    }

    /// Forgets an endpoint that left, with all pools that it has.
    pub(crate) fn forget(&self, worker: &Worker, endpoint: u64) {
        worker.pools.forget(endpoint);
        self.pools.borrow_mut().retain(|(of, _), pool| {
            let stays = *of != endpoint;
            if !stays {
                worker.pools.forget(*pool);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_host_is_bare_of_what_no_certificate_has() {
        for (authority, host) in
            [("a.test", "a.test"), ("a.test:80", "a.test"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("", "")]
        {
            assert_eq!(super::bare(authority.as_bytes()), host.as_bytes());
        }
    }
}
