//! Knative's behaviour, one file each: manifests in, conditions and KIngresses out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod stage;

mod anything_goes;
mod domain_mapping;
mod failed_revisions;
mod garbage;
mod generations;
mod host_conflicts;
mod ingress_shape;
mod reachability;
mod restart;
mod revision_names;
mod rollout;
mod standalone;
mod tags;
mod traffic;
mod unresolved_targets;
mod visibility;
