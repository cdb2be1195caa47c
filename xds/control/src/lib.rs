//! Sources (a directory of manifests) to `knative` to xDS resources in a store. Knows nothing of `proxy/*`.

pub mod translate;
