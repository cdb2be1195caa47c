//! Knative's names for labels, annotations and headers. Knows nothing of what they do.

pub(crate) const SERVING_V1: &str = "serving.knative.dev/v1";

/// Annotation of a Service or Route: how long a new latest revision takes to get all traffic. Preferred spelling first.
pub(crate) const ROLLOUT_DURATION: &[&str] =
    &["serving.knative.dev/rollout-duration", "serving.knative.dev/rolloutDuration"];
/// Annotation of a template: how long a revision may take to get ready.
pub(crate) const PROGRESS_DEADLINE: &str = "serving.knative.dev/progress-deadline";
/// Annotation of a revision that garbage collection must leave alone when it says `true`.
pub(crate) const NO_GC: &str = "serving.knative.dev/no-gc";
/// What `kubectl apply` writes down for itself.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Label that keeps a Service or Route off the public hosts when it says [`CLUSTER_LOCAL`].
pub(crate) const VISIBILITY: &str = "networking.knative.dev/visibility";
pub(crate) const CLUSTER_LOCAL: &str = "cluster-local";
/// Annotation of a Service, Route or DomainMapping: what becomes of plain HTTP. The old spelling wins, as in Knative.
pub(crate) const HTTP_PROTOCOL: &[&str] =
    &["networking.knative.dev/httpOption", "networking.knative.dev/http-protocol"];
/// Annotations of a KIngress.
pub(crate) const ROLLOUT: &str = "networking.internal.knative.dev/rollout";
pub(crate) const TAG_TO_HOST: &str = "networking.internal.knative.dev/tag-to-host";

/// Request headers.
pub(crate) const REVISION_HEADER: &str = "Knative-Serving-Revision";
pub(crate) const NAMESPACE_HEADER: &str = "Knative-Serving-Namespace";
pub(crate) const TAG_HEADER: &str = "Knative-Serving-Tag";
pub(crate) const DEFAULT_ROUTE_HEADER: &str = "Knative-Serving-Default-Route";
pub(crate) const ORIGINAL_HOST_HEADER: &str = "K-Original-Host";
