//! What stands, for people: conditions, URLs and shares of traffic. Changes nothing.

use std::sync::Arc;

use super::World;
use super::mark::{self, Mark};
use super::route::is_local;
use crate::api::{Condition, Kind, RevisionState, Status};
use crate::hosts;
use crate::key::{Key, RevisionKey};
use crate::traffic::Served;

/// A Service as it stands, for the screen.
#[derive(Debug, Clone)]
pub struct ServiceView {
    pub key: Key,
    /// `http://hello.default.localhost`: scheme and host; who listens adds the port.
    pub url: String,
    /// `Ready` first, then what it is made of.
    pub conditions: Vec<Condition>,
    pub latest_created: Option<Arc<str>>,
    pub latest_ready: Option<Arc<str>>,
    /// What the gateway does now: the shares of the main hosts, which sum to 100, then those of each tag's own hosts,
    /// which do so, too.
    pub traffic: Vec<TrafficView>,
}

/// One revision's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficView {
    pub revision: Arc<str>,
    pub percent: u8,
    pub tag: Option<Arc<str>>,
    /// Of the tag.
    pub url: Option<String>,
    /// It follows the latest ready revision.
    pub latest: bool,
}

impl World {
    /// Every Service, by name.
    pub fn services(&self) -> impl Iterator<Item = ServiceView> + '_ {
        self.services.keys().filter_map(|key| self.service(key))
    }

    /// How far a revision has come; none if there is no such revision.
    pub fn state_of(&self, key: &RevisionKey) -> Option<&RevisionState> {
        self.revisions.get(key).map(|record| &record.state)
    }

    /// One Service.
    pub fn service(&self, key: &Key) -> Option<ServiceView> {
        self.services.get(key)?;
        let configuration = self.configurations.get(key)?;
        let route = self.routes.get(key)?;
        let is_local = is_local(&route.object.metadata.labels);
        Some(ServiceView {
            key: key.clone(),
            url: self.url(key, None, is_local),
            conditions: self.conditions(Kind::Service, key),
            latest_created: configuration.latest_created.clone(),
            latest_ready: configuration.latest_ready.clone(),
            traffic: self.traffic(key, is_local, &route.served),
        })
    }

    fn url(&self, key: &Key, tag: Option<&str>, is_local: bool) -> String {
        let hostname = hosts::hostname(&key.name, tag);
        format!("http://{}", hosts::shown(&hostname, &key.namespace, is_local, &self.config))
    }

    fn traffic(&self, key: &Key, is_local: bool, served: &[Served]) -> Vec<TrafficView> {
        let view = |served: &Served| TrafficView {
            revision: Arc::clone(&served.revision),
            percent: served.percent,
            url: served.tag.as_deref().map(|tag| self.url(key, Some(tag), is_local)),
            tag: served.tag.clone(),
            latest: served.latest,
        };
        served.iter().map(view).collect()
    }

    /// How an object stands: `Ready` first, then what it is made of. Empty if there is no such object.
    pub fn conditions(&self, kind: Kind, key: &Key) -> Vec<Condition> {
        let parts: Vec<(&str, Mark)> = match kind {
            Kind::Service => {
                let (Some(configuration), Some(route)) = (self.configurations.get(key), self.routes.get(key))
                else {
                    return Vec::new();
                };
                let routes = mark::ready([&route.assigned, &route.programmed]);
                vec![("ConfigurationsReady", configuration.ready.clone()), ("RoutesReady", routes)]
            }
            Kind::Route => match self.routes.get(key) {
                Some(route) => {
                    vec![
                        ("AllTrafficAssigned", route.assigned.clone()),
                        ("IngressReady", route.programmed.clone()),
                    ]
                }
                None => return Vec::new(),
            },
            Kind::DomainMapping => match self.mappings.get(key) {
                Some(mapping) => {
                    vec![
                        ("DomainClaimed", mapping.claimed.clone()),
                        ("ReferenceResolved", mapping.resolved.clone()),
                    ]
                }
                None => return Vec::new(),
            },
            Kind::Configuration => {
                let record = self.configurations.get(key);
                return record.map(|record| record.ready.condition("Ready")).into_iter().collect();
            }
            Kind::Revision => return self.revision_condition(key).into_iter().collect(),
        };
        let ready = mark::ready(parts.iter().map(|(_, mark)| mark)).condition("Ready");
        std::iter::once(ready).chain(parts.iter().map(|(kind, mark)| mark.condition(kind))).collect()
    }

    fn revision_condition(&self, key: &Key) -> Option<Condition> {
        let record = self.revision(&key.namespace, &key.name)?;
        let (status, reason, message) = match &record.state {
            RevisionState::Starting => (Status::Unknown, "Deploying", ""),
            RevisionState::Ready => (Status::True, "", ""),
            RevisionState::Failed { reason, message } => (Status::False, &**reason, &**message),
        };
        Some(Condition {
            kind: "Ready".into(),
            status,
            reason: reason.into(),
            message: message.into(),
            last_transition_time: record.since.into(),
        })
    }
}
