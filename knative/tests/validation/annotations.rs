//! Annotations, the autoscaler's and others.

use crate::{annotation, with};

#[test]
fn autoscaling_annotations() {
    for (key, value, expected) in [
        ("class", "x.autoscaling.knative.dev", "invalid value: x.autoscaling.knative.dev"),
        ("min-scale", "-1", "expected 0 <= -1 <= 2147483647"),
        ("min-scale", "x", "invalid value: x"),
        ("maxScale", "99999999999", "expected 0 <= 99999999999 <= 2147483647"),
        ("target", "0", "target 0 should be at least 0.01"),
        ("target", "NaN", "invalid value: NaN"),
        ("target-utilization-percentage", "0", "expected 1 <= 0 <= 100"),
        ("target-burst-capacity", "-2", "invalid value: -2"),
        ("panic-window-percentage", "101", "expected 1 <= 101 <= 100"),
        ("panic-threshold-percentage", "100", "expected 110 <= 100 <= 1000"),
        ("window", "1s", "expected 6s <= 1s <= 1h0m0s"),
        ("window", "6500ms", "must be specified with at most second precision"),
        ("window", "soon", "invalid value: soon"),
        ("scale-down-delay", "-1s", "expected 0s <= -1s <= 1h0m0s"),
        ("scale-to-zero-pod-retention-period", "2h", "expected 0s <= 2h <= 1h0m0s"),
        ("metric", "cpu", "invalid value: cpu"),
        ("metric-aggregation-algorithm", "best", "invalid value: best"),
        ("activation-scale", "1", "activation-scale=1 must be greater than 1"),
        ("initial-scale", "x", "invalid value: x"),
    ] {
        let key = format!("autoscaling.knative.dev/{key}");
        assert_eq!(
            annotation(&key, value),
            [format!("9: {expected}: spec.template.metadata.annotations.{key}")]
        );
    }
    assert_eq!(
        with(
            "annotations: {}",
            "annotations: {autoscaling.knative.dev/min-scale: '3', autoscaling.knative.dev/max-scale: '2'}"
        ),
        [
            "8: max-scale=2 is less than min-scale=3: spec.template.metadata.annotations.autoscaling.knative.dev/max-scale, spec.template.metadata.annotations.autoscaling.knative.dev/min-scale"
        ]
    );
    for (key, value) in [
        ("initial-scale", "0"),
        ("min-scale", "1"),
        ("window", "60s"),
        ("scale-to-zero-pod-retention-period", "1m1.5s"),
        ("target-burst-capacity", "-1"),
        ("metric", "rps"),
        ("class", "kpa.autoscaling.knative.dev"),
    ] {
        assert_eq!(annotation(&format!("autoscaling.knative.dev/{key}"), value), Vec::<String>::new());
    }
    assert_eq!(
        annotation("autoscaling.knative.dev/class", "hpa.autoscaling.knative.dev"),
        [
            "warning: autoscaler class hpa.autoscaling.knative.dev has no effect on this platform, kpa.autoscaling.knative.dev scales the revision: spec.template.metadata.annotations.autoscaling.knative.dev/class"
        ]
    );
}

#[test]
fn misplaced_and_other_annotations() {
    assert_eq!(
        with("  name: hello", "  name: hello\n  annotations: {autoscaling.knative.dev/min-scale: '1'}"),
        [
            "5: invalid key name \"autoscaling.knative.dev/min-scale\": metadata.annotations (autoscaling annotations must be put under \"spec.template.metadata.annotations\" to work)"
        ]
    );
    for (value, expected) in [
        ("x", "5: invalid value: x: metadata.annotations.serving.knative.dev/rollout-duration"),
        (
            "-1s",
            "5: rollout-duration=-1s must be positive: metadata.annotations.serving.knative.dev/rollout-duration",
        ),
        (
            "1.5s",
            "5: rollout-duration=1.5s is not at second precision: metadata.annotations.serving.knative.dev/rollout-duration",
        ),
    ] {
        let line =
            format!("  name: hello\n  annotations: {{serving.knative.dev/rollout-duration: '{value}'}}");
        assert_eq!(with("  name: hello", &line), [expected]);
    }
    assert_eq!(
        annotation("serving.knative.dev/progress-deadline", "-1s"),
        [
            "9: progress-deadline=-1s must be positive: spec.template.metadata.annotations.serving.knative.dev/progress-deadline"
        ]
    );
}
