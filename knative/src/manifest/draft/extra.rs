//! Fields that exist in Kubernetes and are not part of a draft: which to pass over, which to warn of, which to refuse.
//! Knows nothing of values.

/// What becomes of such a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Extra {
    /// It makes no difference on one machine.
    Silent,
    /// The program would see the difference, so people are told.
    WithoutEffect,
    /// Knative's webhook refuses it.
    Forbidden,
    Unknown,
}

/// `draft` is the name of the draft's type.
pub(in super::super) fn extra(draft: &str, field: &str) -> Extra {
    let (silent, without_effect, forbidden): (&[&str], &[&str], &[&str]) = match draft {
        "ObjectDraft" => (&["apiVersion", "kind", "status"], &[], &[]),
        "MetaDraft" => (META, &[], &[]),
        "DomainMappingSpecDraft" => (&[], &["tls"], &[]),
        "PodDraft" => (POD, &["initContainers", "volumes", "shareProcessNamespace"], FORBIDDEN_IN_POD),
        "ContainerDraft" => (CONTAINER, &["envFrom", "volumeMounts"], FORBIDDEN_IN_CONTAINER),
        "EnvDraft" => (&[], &["valueFrom"], &[]),
        "PortDraft" => (&[], &[], &["hostIP", "hostPort"]),
        "ProbeDraft" => (&["terminationGracePeriodSeconds"], &[], &[]),
        _ => (&[], &[], &[]),
    };
    if silent.contains(&field) {
        Extra::Silent
    } else if without_effect.contains(&field) {
        Extra::WithoutEffect
    } else if forbidden.contains(&field) {
        Extra::Forbidden
    } else {
        Extra::Unknown
    }
}

/// Kept by a server.
const META: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "selfLink",
];

/// About clusters, images and rights.
const POD: &[&str] = &[
    "imagePullSecrets",
    "enableServiceLinks",
    "automountServiceAccountToken",
    "affinity",
    "topologySpreadConstraints",
    "hostAliases",
    "nodeSelector",
    "runtimeClassName",
    "tolerations",
    "securityContext",
    "priorityClassName",
    "schedulerName",
    "dnsPolicy",
    "dnsConfig",
    "hostIPC",
    "hostPID",
    "hostNetwork",
];

const FORBIDDEN_IN_POD: &[&str] = &[
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
    "nodeName",
    "hostname",
    "subdomain",
    "priority",
    "readinessGates",
    "ephemeralContainers",
    "preemptionPolicy",
    "overhead",
    "setHostnameAsFQDN",
    "os",
    "hostUsers",
    "schedulingGates",
    "resourceClaims",
    "resources",
    "serviceAccount",
];

const CONTAINER: &[&str] = &[
    "imagePullPolicy",
    "resources",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
];

const FORBIDDEN_IN_CONTAINER: &[&str] =
    &["lifecycle", "stdin", "stdinOnce", "tty", "volumeDevices", "resizePolicy", "restartPolicy"];
