//! The annotations of `autoscaling.knative.dev`, each parsed and bounded as Knative's webhook does. Knows no defaults but
//! those that decide what is valid.

use std::collections::BTreeMap;
use std::num::IntErrorKind;
use std::time::Duration;

use forebay_base::duration::{parse_go, show};

use super::{Defaults, FieldError, HPA, Invalid, KPA, Metric, PREFIX, TARGET_MIN};
use crate::window::Averaging;

/// Windows, delays and retention last an hour at most: longer ones say too little about now.
const WINDOW_MAX: Duration = Duration::from_secs(3600);
/// A stable window is six one-second buckets at least.
const WINDOW_MIN: Duration = Duration::from_secs(6);
/// Lives outside the autoscaling group, because other parts of Knative read it as well.
const PROGRESS_DEADLINE: &str = "serving.knative.dev/progress-deadline";

/// What the annotations say; `None` where they say nothing.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) metric: Metric,
    pub(super) averaging: Averaging,
    pub(super) target: Option<f64>,
    pub(super) target_utilization_percentage: Option<f64>,
    pub(super) target_burst_capacity: Option<f64>,
    pub(super) panic_window_percentage: Option<f64>,
    pub(super) panic_threshold_percentage: Option<f64>,
    pub(super) window: Option<Duration>,
    pub(super) scale_down_delay: Option<Duration>,
    pub(super) scale_to_zero_pod_retention_period: Option<Duration>,
    pub(super) progress_deadline: Option<Duration>,
    pub(super) min_scale: Option<u32>,
    pub(super) max_scale: Option<u32>,
    pub(super) initial_scale: Option<u32>,
    pub(super) activation_scale: Option<u32>,
}

impl Given {
    pub(super) fn parse(
        annotations: &BTreeMap<String, String>,
        defaults: &Defaults,
    ) -> Result<Self, Invalid> {
        let mut reader = Reader { annotations, errors: Vec::new() };
        let class = reader.class(&defaults.pod_autoscaler_class);
        let (min_scale, max_scale, activation_scale) = reader.scale_bounds(defaults.max_scale_limit);
        let given = Self {
            min_scale,
            max_scale,
            activation_scale,
            panic_window_percentage: reader.percentage(
                "panic-window-percentage",
                "panicWindowPercentage",
                1,
                100,
            ),
            panic_threshold_percentage: reader.percentage(
                "panic-threshold-percentage",
                "panicThresholdPercentage",
                110,
                1000,
            ),
            target: reader.target(),
            target_utilization_percentage: reader.percentage(
                "target-utilization-percentage",
                "targetUtilizationPercentage",
                1,
                100,
            ),
            target_burst_capacity: reader.burst_capacity(),
            window: reader.duration(Key::named("window"), WINDOW_MIN, Precision::Seconds),
            scale_to_zero_pod_retention_period: reader.duration(
                Key::aliased("scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod"),
                Duration::ZERO,
                Precision::Any,
            ),
            scale_down_delay: reader.duration(
                Key::aliased("scale-down-delay", "scaleDownDelay"),
                Duration::ZERO,
                Precision::Seconds,
            ),
            metric: reader.metric(&class),
            averaging: reader.averaging(&class),
            initial_scale: reader.initial_scale(defaults.allow_zero_initial_scale),
            progress_deadline: reader.progress_deadline(),
        };
        if reader.errors.is_empty() { Ok(given) } else { Err(Invalid { errors: reader.errors }) }
    }
}

/// An annotation's name after the prefix, and its camelCase alias, which counts only where the name is not given.
struct Key {
    name: &'static str,
    alias: Option<&'static str>,
}

impl Key {
    const fn named(name: &'static str) -> Self {
        Self { name, alias: None }
    }

    const fn aliased(name: &'static str, alias: &'static str) -> Self {
        Self { name, alias: Some(alias) }
    }
}

#[derive(PartialEq, Eq)]
enum Precision {
    Any,
    Seconds,
}

struct Reader<'a> {
    annotations: &'a BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    /// The name the annotation was given under, and its value.
    fn find(&self, key: &Key) -> Option<(String, &'a str)> {
        [Some(key.name), key.alias].into_iter().flatten().find_map(|name| {
            let name = format!("{PREFIX}{name}");
            let value = self.annotations.get(&name)?;
            Some((name, value.as_str()))
        })
    }

    fn refuse<T>(&mut self, error: FieldError) -> Option<T> {
        self.errors.push(error);
        None
    }

    /// The autoscaler's class. Of Knative's own domain only two exist; others are other people's.
    fn class(&mut self, default: &str) -> String {
        let Some((key, class)) = self.find(&Key::named("class")) else { return default.to_owned() };
        if class.ends_with(".knative.dev") && class != KPA && class != HPA {
            self.errors.push(FieldError::invalid_value(class, key));
        }
        class.to_owned()
    }

    fn scale_bounds(&mut self, limit: u32) -> (Option<u32>, Option<u32>, Option<u32>) {
        let min = self.count(&Key::aliased("min-scale", "minScale"));
        let max_key = Key::aliased("max-scale", "maxScale");
        let max = self.count(&max_key);
        let (low, high) = (min.unwrap_or(0), max.unwrap_or(0));
        if high != 0 && high < low {
            self.errors.push(FieldError {
                message: format!("max-scale={high} is less than min-scale={low}"),
                paths: vec![format!("{PREFIX}max-scale"), format!("{PREFIX}min-scale")],
            });
        }
        if let (Some((key, _)), true) = (self.find(&max_key), limit > 0) {
            if high > limit {
                self.errors.push(FieldError::out_of_bounds(high, 1, limit, key));
            } else if high == 0 {
                let rule = format!("max-scale=0 (unlimited), must be less than {limit}");
                self.errors.push(FieldError::new(rule, key));
            }
        }
        (min, max, self.activation_scale(low, high))
    }

    fn activation_scale(&mut self, min: u32, max: u32) -> Option<u32> {
        let (key, text) = self.find(&Key::named("activation-scale"))?;
        let Ok(scale) = text.parse::<i32>() else {
            return self.refuse(FieldError::invalid_value(text, key));
        };
        let wide = i64::from(scale);
        let rule = if i64::from(min) > wide {
            format!("min-scale={min} is greater than activation-scale={scale}")
        } else if max != 0 && i64::from(max) < wide {
            format!("max-scale={max} is less than activation-scale={scale}")
        } else if scale < 2 {
            format!("activation-scale={scale} must be greater than 1")
        } else {
            return u32::try_from(scale).ok();
        };
        self.refuse(FieldError::new(rule, key))
    }

    fn initial_scale(&mut self, zero_allowed: bool) -> Option<u32> {
        let (key, text) = self.find(&Key::aliased("initial-scale", "initialScale"))?;
        let error = match text.parse::<i32>() {
            Err(_) => FieldError::invalid_value(text, key),
            // The sentence is part of the path in Knative, too.
            Ok(scale) if scale < 0 => {
                FieldError::invalid_value(text, format!("{key} must be greater than 0"))
            }
            Ok(0) if !zero_allowed => {
                FieldError::invalid_value(text, format!("{key}=0 not allowed by cluster"))
            }
            Ok(scale) => return u32::try_from(scale).ok(),
        };
        self.refuse(error)
    }

    /// A number of replicas: a non-negative int32.
    fn count(&mut self, key: &Key) -> Option<u32> {
        let (key, text) = self.find(key)?;
        let error = match text.parse::<i32>() {
            Ok(count) if count >= 0 => return u32::try_from(count).ok(),
            Err(e) if !matches!(e.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => {
                FieldError::invalid_value(text, key)
            }
            _ => FieldError::out_of_bounds(text, 0, i32::MAX, key),
        };
        self.refuse(error)
    }

    /// A finite number. Go's parser lets infinities and NaN through; no comparison with them makes sense here.
    fn number(&mut self, key: &Key) -> Option<(String, &'a str, f64)> {
        let (key, text) = self.find(key)?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Some((key, text, value)),
            _ => self.refuse(FieldError::invalid_value(text, key)),
        }
    }

    fn percentage(&mut self, name: &'static str, alias: &'static str, low: u16, high: u16) -> Option<f64> {
        let (key, text, value) = self.number(&Key::aliased(name, alias))?;
        if value < f64::from(low) || value > f64::from(high) {
            return self.refuse(FieldError::out_of_bounds(text, low, high, key));
        }
        Some(value)
    }

    fn target(&mut self) -> Option<f64> {
        let (key, text, value) = self.number(&Key::named("target"))?;
        if value < TARGET_MIN {
            let rule = format!("target {text} should be at least {TARGET_MIN}");
            return self.refuse(FieldError::new(rule, key));
        }
        Some(value)
    }

    fn burst_capacity(&mut self) -> Option<f64> {
        let (key, text, value) =
            self.number(&Key::aliased("target-burst-capacity", "targetBurstCapacity"))?;
        #[expect(clippy::float_cmp, reason = "-1 is a word here: unlimited")]
        if value < 0.0 && value != -1.0 {
            return self.refuse(FieldError::invalid_value(text, key));
        }
        Some(value)
    }

    /// A duration between `low` and an hour.
    fn duration(&mut self, key: Key, low: Duration, precision: Precision) -> Option<Duration> {
        let (key, text) = self.find(&key)?;
        // Go reads negative durations; they are out of every bound here.
        let negative = text.starts_with('-');
        let Ok(value) = parse_go(text.trim_start_matches('-')) else {
            return self.refuse(FieldError::invalid_value(text, key));
        };
        if negative && !value.is_zero() || value < low || value > WINDOW_MAX {
            return self.refuse(FieldError::out_of_bounds(text, show(low), show(WINDOW_MAX), key));
        }
        if precision == Precision::Seconds && value.subsec_nanos() != 0 {
            return self.refuse(FieldError::new("must be specified with at most second precision", key));
        }
        Some(value)
    }

    fn metric(&mut self, class: &str) -> Metric {
        let given = self.find(&Key::named("metric"));
        match (class, given) {
            (KPA, None) => Metric::Concurrency,
            (KPA, Some((key, text))) => match text {
                "concurrency" => Metric::Concurrency,
                "rps" => Metric::Rps,
                _ => self.refuse(FieldError::invalid_value(text, key)).unwrap_or(Metric::Concurrency),
            },
            (HPA, Some((key, ""))) => {
                self.refuse(FieldError::invalid_value("", key)).unwrap_or(Metric::Unscaled)
            }
            _ => Metric::Unscaled,
        }
    }

    /// Checked for this class only; other autoscalers may have algorithms of their own.
    fn averaging(&mut self, class: &str) -> Averaging {
        match self.find(&Key::aliased("metric-aggregation-algorithm", "metricAggregationAlgorithm")) {
            Some((_, "weighted-exponential" | "weightedExponential")) => Averaging::WeightedExponential,
            Some((key, text)) if class == KPA && !matches!(text, "" | "linear") => {
                self.errors.push(FieldError::invalid_value(text, key));
                Averaging::Linear
            }
            _ => Averaging::Linear,
        }
    }

    fn progress_deadline(&mut self) -> Option<Duration> {
        let text = self.annotations.get(PROGRESS_DEADLINE).filter(|text| !text.is_empty())?;
        let Ok(value) = parse_go(text.trim_start_matches('-')) else {
            return self.refuse(FieldError::invalid_value(text, PROGRESS_DEADLINE));
        };
        if value.subsec_nanos() != 0 {
            let rule = format!("progress-deadline={text} is not at second precision");
            return self.refuse(FieldError::new(rule, PROGRESS_DEADLINE));
        }
        // Zero passes Knative's webhook and is saved by its 30 s of tolerance, which do not exist here.
        if text.starts_with('-') || value.is_zero() {
            let rule = format!("progress-deadline={text} must be positive");
            return self.refuse(FieldError::new(rule, PROGRESS_DEADLINE));
        }
        Some(value)
    }
}
