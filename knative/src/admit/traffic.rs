//! Defaults and rules of `spec.traffic`. Knows nothing of which revisions there are.

use std::sync::Arc;

use super::Checks;
use super::names::{self, MAX_LABEL};
use crate::api::{Reference, TrafficTarget};
use crate::manifest::draft::TargetDraft;
use crate::path::Path;

pub(super) fn targets(
    drafts: Vec<TargetDraft>,
    route: &str,
    service: Option<&Arc<str>>,
    at: &Path<'_>,
    checks: &mut Checks,
) -> Arc<[TrafficTarget]> {
    if let (true, Some(service)) = (drafts.is_empty(), service) {
        return [TrafficTarget { tag: None, to: Reference::Latest(Arc::clone(service)), percent: 100 }]
            .into();
    }
    let mut sum: i64 = 0;
    let mut targets: Vec<TrafficTarget> = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.into_iter().enumerate() {
        let at_target = at.item(index);
        sum = sum.saturating_add(draft.percent.unwrap_or(0));
        tag(&draft.tag, route, &targets, at, index, checks);
        targets.push(target(draft, service, &at_target, checks));
    }
    if sum != 100 {
        checks.error(format!("Traffic targets sum to {sum}, want 100"), at);
    }
    targets.into()
}

fn target(
    draft: TargetDraft,
    service: Option<&Arc<str>>,
    at: &Path<'_>,
    checks: &mut Checks,
) -> TrafficTarget {
    let pinned = !draft.revision_name.is_empty();
    if let Some(latest) = draft.latest_revision
        && pinned == latest
    {
        let message =
            format!("may not set revisionName {:?} when latestRevision is {latest}", draft.revision_name);
        checks.error(message, &at.field("latestRevision"));
    }
    if service.is_some() && !draft.configuration_name.is_empty() {
        checks.disallowed(&at.field("configurationName"));
    } else if pinned && !draft.configuration_name.is_empty() {
        checks.exactly_one(&[], &["revisionName", "configurationName"], at);
    } else if service.is_none() && !pinned && draft.configuration_name.is_empty() {
        checks.exactly_one(&["revisionName", "configurationName"], &[], at);
    }
    for (field, name) in
        [("revisionName", &draft.revision_name), ("configurationName", &draft.configuration_name)]
    {
        if !name.is_empty() && !names::is_qualified_name(name) {
            checks.error(format!("invalid key name {name:?}"), &at.field(field));
        }
    }
    if !draft.url.is_empty() {
        checks.disallowed(&at.field("url"));
    }
    let percent = draft.percent.unwrap_or(0);
    if !(0..=100).contains(&percent) {
        checks.out_of_bounds(0, percent, 100, &at.field("percent"));
    }
    let to = match service {
        _ if pinned => Reference::Revision(draft.revision_name.into()),
        Some(service) => Reference::Latest(Arc::clone(service)),
        None => Reference::Latest(draft.configuration_name.into()),
    };
    let tag = (!draft.tag.is_empty()).then(|| draft.tag.into());
    TrafficTarget { tag, to, percent: u8::try_from(percent).unwrap_or(0) }
}

fn tag(tag: &str, route: &str, before: &[TrafficTarget], at: &Path<'_>, index: usize, checks: &mut Checks) {
    if tag.is_empty() {
        return;
    }
    let at_target = at.item(index);
    let at_tag = at_target.field("tag");
    if let Some(faults) = names::not_dns_1035(tag) {
        checks.invalid(format!("not a DNS 1035 label: {faults}"), &at_tag);
    } else if tag.len() + 1 + route.len() > MAX_LABEL {
        let host = format!("{tag}-{route}");
        checks.invalid(format!("{host:?} must be no more than {MAX_LABEL} characters"), &at_tag);
    }
    if let Some(first) = before.iter().position(|target| target.tag.as_deref() == Some(tag)) {
        let paths = vec![at.item(first).field("tag").to_string(), at_tag.to_string()];
        checks.among(format!("Multiple definitions for {tag:?}"), paths);
    }
}
