//! VHDS: hosts that join a route configuration one by one. Knows nothing of listeners.

use std::sync::Arc;

use foldhash::HashMap;
use forebay_base::turn;
use forebay_proto::envoy::config::route::v3 as pb;
use forebay_route::{Conflict, VirtualHost};

use super::effects::Effects;
use super::held::{Failure, Held, Kind};
use super::routes::{Active, hold, release};
use super::{Body, Model, body, key};
use crate::read::{self, At, Invalid, Rule};
use crate::update::Resource;

/// Changes of one table, in the order they came.
struct Changes {
    config: Arc<str>,
    hosts: Vec<(Arc<str>, Option<Arc<VirtualHost>>)>,
    /// The resources that came with them, one for each.
    held: Vec<Option<Held>>,
}

impl Model {
    /// All of one message together: a domain may pass from one host to another.
    pub(super) fn put_virtual_hosts(&mut self, added: &[Resource<'_>], removed: &[String], fx: &mut Effects) {
        let mut changes: Vec<Changes> = Vec::new();
        for resource in added {
            turn::share();
            let read = body(Kind::VirtualHost, resource).and_then(|body| self.read_virtual_host(body));
            match read {
                Ok(None) => self.verdict(Kind::VirtualHost, resource, Ok(()), fx),
                Ok(Some((config, host))) => {
                    let change = of_config(&mut changes, &config);
                    // One name, not two that are equal.
                    let key =
                        if *host.name == *resource.name { host.name.clone() } else { key(resource.name) };
                    change.hosts.push((key, Some(Arc::new(host))));
                    let bytes = &resource.body.value;
                    let held = Held::packed(resource.version, bytes, fx.now, &mut self.examples.hosts);
                    change.held.push(Some(held));
                }
                Err(why) => self.verdict(Kind::VirtualHost, resource, Err(why), fx),
            }
        }
        for name in removed {
            self.failures.remove(&(Kind::VirtualHost, key(name)));
            if let Some((config, active)) = self.config_of(name)
                && active.hosts.contains_key(name.as_str())
            {
                let config = config.clone();
                let change = of_config(&mut changes, &config);
                change.hosts.push((key(name), None));
                change.held.push(None);
            }
        }
        for change in changes {
            self.change_hosts(change, fx);
        }
    }

    /// The host that a resource is, and whose; `None` if it is known already or nobody asked for it.
    fn read_virtual_host(&mut self, body: Body<'_>) -> Result<Option<(Arc<str>, VirtualHost)>, Invalid> {
        let Some(config) = self.config_of(body.name).map(|(name, _)| name.clone()) else { return Ok(None) };
        let Some(active) = self.routes.configs.get_mut(&config).and_then(|config| config.active.as_mut())
        else {
            return Ok(None);
        };
        if active
            .hosts
            .get_mut(body.name)
            .is_some_and(|held| held.same(body.version, body.bytes, &self.examples.hosts))
        {
            return Ok(None);
        }
        let limit = active.direct_body;
        if active.own.contains_key(body.name) {
            return Err(At::ROOT.field("name").refuse(Rule::DuplicateName(body.name.to_owned())));
        }
        let message: pb::VirtualHost = read::decode(&At::ROOT, body.bytes)?;
        // Envoy's own servers give the host the resource's name, with or without the configuration's before it.
        let inner = body.name.strip_prefix(&*config).and_then(|rest| rest.strip_prefix('/'));
        if inner != Some(&*message.name) {
            body.check_name(&message.name)?;
        }
        let host = read::virtual_host(&At::ROOT, &message, limit, &mut self.names)?;
        Ok(Some((config, host)))
    }

    fn change_hosts(&mut self, change: Changes, fx: &mut Effects) {
        let Changes { config, hosts, held } = change;
        let Some(active) = self.routes.configs.get_mut(&config).and_then(|config| config.active.as_mut())
        else {
            return;
        };
        let built = active.table.with(&hosts);
        let all = hosts.len();
        let kept = built.refused.len();
        let before = active.table.clone();
        if kept < all {
            active.table = Arc::new(built.table);
        }
        let mut refused: HashMap<Arc<str>, Conflict> =
            built.refused.into_iter().map(|conflict| (conflict.virtual_host.clone(), conflict)).collect();
        let mut failed = Vec::new();
        for ((key, host), held) in hosts.into_iter().zip(held) {
            turn::share();
            // A host that was refused, or came twice, is not the one that the table has now.
            match (host, held) {
                (Some(host), Some(held))
                    if active.table.get(&key).is_some_and(|now| Arc::ptr_eq(now, &host)) =>
                {
                    hold(&mut self.names, &host);
                    active.hosts.insert(key.clone(), held);
                    self.failures.remove(&(Kind::VirtualHost, key.clone()));
                }
                (Some(_), Some(held)) => {
                    let Some(conflict) = refused.remove(&key) else { continue };
                    let why = At::ROOT.field("domains").refuse(read::duplicate(conflict));
                    let (version, bytes) = (held.version.text().into(), held.bytes(&self.examples.hosts));
                    let failure = Failure { version, message: why.to_string(), bytes, since: fx.now };
                    failed.push((key, failure));
                    continue;
                }
                _ => drop(active.hosts.remove(&key)),
            }
            if let Some(before) = before.get(&key) {
                release(&mut self.names, before);
            }
        }
        if kept < all {
            fx.update.tables.push((config, Some(active.table.clone())));
        }
        for (key, failure) in failed {
            self.fail((Kind::VirtualHost, key), failure, fx);
        }
    }

    /// The configuration whose name, with a slash, begins a host's.
    fn config_of(&self, host: &str) -> Option<(&Arc<str>, &Active)> {
        prefixes(host).find_map(|name| {
            let (name, config) = self.routes.configs.get_key_value(name)?;
            Some((name, config.active.as_ref().filter(|active| active.vhds)?))
        })
    }
}

fn of_config<'c>(changes: &'c mut Vec<Changes>, config: &Arc<str>) -> &'c mut Changes {
    let at = changes.iter().position(|change| change.config == *config).unwrap_or_else(|| {
        changes.push(Changes { config: config.clone(), hosts: Vec::new(), held: Vec::new() });
        changes.len() - 1
    });
    &mut changes[at]
}

/// What stands before each slash, longest first.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.rmatch_indices('/').map(|(at, _)| &name[..at])
}
