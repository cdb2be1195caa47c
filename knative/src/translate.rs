//! Route and DomainMapping → KIngress (facts/serving.md 4.3, 4.7). Pure. Knows nothing of stores or readiness.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Kind, Pairs, Protocol};
use crate::hosts;
use crate::ingress::{
    HeaderMatches, Headers, HttpOption, HttpRule, Ingress, IngressPath, IngressRule, IngressSpec,
    IngressSplit, ServicePort, Visibility,
};
use crate::key::Key;
use crate::rollout::Rollouts;
use crate::traffic::{Group, Served, Share};
use crate::words;
use crate::world::Config;

/// Texts that every KIngress repeats, kept once.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    revision: Arc<str>,
    namespace: Arc<str>,
    tag: Arc<str>,
    default_route: Arc<str>,
    original_host: Arc<str>,
    yes: Arc<str>,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            revision: words::REVISION_HEADER.into(),
            namespace: words::NAMESPACE_HEADER.into(),
            tag: words::TAG_HEADER.into(),
            default_route: words::DEFAULT_ROUTE_HEADER.into(),
            original_host: words::ORIGINAL_HOST_HEADER.into(),
            yes: "true".into(),
        }
    }
}

/// What a Route's KIngress is made of.
pub(crate) struct Plan<'a> {
    pub(crate) key: &'a Key,
    pub(crate) annotations: &'a Pairs,
    pub(crate) is_local: bool,
    /// The main hosts first, then tags by name.
    pub(crate) groups: &'a [Group],
    pub(crate) rollouts: &'a Rollouts,
    pub(crate) config: &'a Config,
    pub(crate) words: &'a Words,
}

/// What becomes of plain HTTP, by annotation.
pub(crate) fn http_option(annotations: &Pairs) -> HttpOption {
    match annotations.first(words::HTTP_PROTOCOL) {
        Some((_, value)) if value.eq_ignore_ascii_case("redirected") => HttpOption::Redirected,
        _ => HttpOption::Enabled,
    }
}

/// A mapped domain goes through routing once more, under the local host of what it is mapped to.
pub(crate) fn mapping(
    mapping: &Key,
    annotations: &Pairs,
    target: &Arc<str>,
    config: &Config,
    words: &Words,
) -> Ingress {
    let split = IngressSplit {
        service_namespace: Arc::clone(&mapping.namespace),
        service_name: Arc::clone(target),
        service_port: ServicePort::HTTP1,
        percent: 100,
        append_headers: [(Arc::clone(&words.original_host), Arc::clone(&mapping.name))].into_iter().collect(),
    };
    let path = IngressPath {
        rewrite_host: Some(hosts::inside(target, &mapping.namespace, config).into()),
        splits: [split].into(),
        ..IngressPath::default()
    };
    let rule = IngressRule {
        hosts: [Arc::clone(&mapping.name)].into(),
        visibility: Visibility::ExternalIP,
        http: HttpRule { paths: [path].into() },
    };
    let spec =
        IngressSpec { tls: Box::default(), rules: [rule].into(), http_option: http_option(annotations) };
    Ingress { key: mapping.clone(), owner: Kind::DomainMapping, annotations: Pairs::default(), spec }
}

impl Plan<'_> {
    pub(crate) fn ingress(&self) -> Ingress {
        let mut rules = Vec::with_capacity(self.groups.len() * (1 + self.config.domains.len()));
        for group in self.groups {
            let paths: Arc<[IngressPath]> = self.paths(group).into();
            let hostname = hosts::hostname(&self.key.name, group.tag.as_deref());
            let mut rule = |hosts: Arc<[Arc<str>]>, visibility| {
                rules.push(IngressRule { hosts, visibility, http: HttpRule { paths: Arc::clone(&paths) } });
            };
            rule(hosts::local(&hostname, &self.key.namespace, self.config).into(), Visibility::ClusterLocal);
            if !self.is_local {
                for host in hosts::public(&hostname, &self.key.namespace, self.config) {
                    rule([host].into(), Visibility::ExternalIP);
                }
            }
        }
        let http_option = http_option(self.annotations);
        Ingress {
            key: self.key.clone(),
            owner: Kind::Route,
            annotations: self.ingress_annotations(),
            spec: IngressSpec { tls: Box::default(), rules: rules.into(), http_option },
        }
    }

    /// The shares as they are now, for `status.traffic`, by tag, the untagged first.
    pub(crate) fn served(&self) -> Box<[Served]> {
        let mut served = Vec::new();
        for group in self.groups {
            for share in &group.shares {
                let mut push = |revision: &Arc<str>, percent| {
                    let (revision, tag) = (Arc::clone(revision), group.tag.clone());
                    served.push(Served { revision, tag, percent, latest: share.latest });
                };
                match self.rollout(group, share) {
                    Some(parts) => parts.for_each(|(revision, percent)| push(revision, percent)),
                    None => push(&share.revision, share.percent),
                }
            }
        }
        served.into()
    }

    fn rollout<'s>(
        &'s self,
        group: &Group,
        share: &Share,
    ) -> Option<impl Iterator<Item = (&'s Arc<str>, u8)> + use<'s>> {
        let tag = group.tag.as_deref().unwrap_or_default();
        let rollout = share.latest.then(|| self.rollouts.find(tag, &share.configuration)).flatten()?;
        Some(rollout.revisions.iter().map(|part| (&part.revision_name, part.percent)))
    }

    fn paths(&self, group: &Group) -> Vec<IngressPath> {
        let mut path = self.path(group);
        if !self.config.tag_header_routing {
            return vec![path];
        }
        let Words { tag: tag_header, default_route, yes, .. } = self.words;
        if let Some(tag) = &group.tag {
            path.append_headers = [(Arc::clone(tag_header), Arc::clone(tag))].into_iter().collect();
            return vec![path];
        }
        path.append_headers = [(Arc::clone(default_route), Arc::clone(yes))].into_iter().collect();
        let tagged = self.groups.iter().filter_map(|group| {
            let wanted = (Arc::clone(tag_header), Arc::clone(group.tag.as_ref()?));
            Some(IngressPath { headers: HeaderMatches::from_iter([wanted]), ..self.path(group) })
        });
        tagged.chain(Some(path)).collect()
    }

    /// A path for everything, whose splits leave out who gets nothing.
    fn path(&self, group: &Group) -> IngressPath {
        let mut splits = Vec::with_capacity(group.shares.len());
        for share in group.shares.iter().filter(|share| share.percent > 0) {
            match self.rollout(group, share) {
                Some(parts) => {
                    splits.extend(
                        parts.map(|(revision, percent)| self.split(revision, percent, share.protocol)),
                    );
                }
                None => splits.push(self.split(&share.revision, share.percent, share.protocol)),
            }
        }
        IngressPath { splits: splits.into(), ..IngressPath::default() }
    }

    fn split(&self, revision: &Arc<str>, percent: u8, protocol: Protocol) -> IngressSplit {
        let headers = [
            (Arc::clone(&self.words.revision), Arc::clone(revision)),
            (Arc::clone(&self.words.namespace), Arc::clone(&self.key.namespace)),
        ];
        IngressSplit {
            service_namespace: Arc::clone(&self.key.namespace),
            service_name: Arc::clone(revision),
            service_port: match protocol {
                Protocol::Http1 => ServicePort::HTTP1,
                Protocol::H2c => ServicePort::H2C,
            },
            percent,
            append_headers: Headers::from_iter(headers),
        }
    }

    /// What tools read: the state of a rollout that is under way, and where tags are.
    fn ingress_annotations(&self) -> Pairs {
        let mut annotations = BTreeMap::new();
        if !self.rollouts.is_done()
            && let Ok(json) = serde_json::to_string(self.rollouts)
        {
            annotations.insert(words::ROLLOUT.to_owned(), json);
        }
        let tags: BTreeMap<&str, Vec<String>> = self
            .groups
            .iter()
            .filter_map(|group| {
                let tag = group.tag.as_deref()?;
                let hostname = hosts::hostname(&self.key.name, Some(tag));
                let mut hosts = vec![hosts::inside(&hostname, &self.key.namespace, self.config)];
                if !self.is_local {
                    hosts.push(hosts::shown(&hostname, &self.key.namespace, false, self.config));
                }
                Some((tag, hosts))
            })
            .collect();
        if !tags.is_empty()
            && let Ok(json) = serde_json::to_string(&tags)
        {
            annotations.insert(words::TAG_TO_HOST.to_owned(), json);
        }
        annotations.into()
    }
}
