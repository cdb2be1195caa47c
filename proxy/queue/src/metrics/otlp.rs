//! The instruments as OTLP has them, by today's names. Counts nothing, sends nothing.

use forebay_report::otlp as pb;
use prost::Message;

use super::histogram::Histogram;
use super::{Exchanged, HTTP_SCOPE, Metrics, QUEUE_SCOPE, Series};

impl Metrics {
    /// The body of one export; times in nanoseconds since the Unix epoch.
    pub(crate) fn message(&self, resource: pb::Resource, since: u64, now: u64) -> Vec<u8> {
        let points = Points { since, now };
        let (client, server) = (&*self.client.borrow(), &*self.server.borrow());
        let mut http = Vec::new();
        points.exchanged(
            &mut http,
            server,
            [
                ("http.server.request.duration", "Duration of HTTP server requests.", "s", |x| &x.duration),
                ("http.server.request.body.size", "Size of HTTP server request bodies.", "By", |x| {
                    &x.request
                }),
                ("http.server.response.body.size", "Size of HTTP server response bodies.", "By", |x| {
                    &x.response
                }),
            ],
        );
        points.exchanged(
            &mut http,
            client,
            [
                ("http.client.request.duration", "Duration of HTTP client requests.", "s", |x| &x.duration),
                ("http.client.request.body.size", "Size of HTTP client request bodies.", "By", |x| {
                    &x.request
                }),
            ],
        );
        let mut queue = Vec::new();
        let all = self.invocations.borrow();
        points.histogram(
            &mut queue,
            ("kn.serving.invocation.duration", "The duration of task execution", "s"),
            all.0.iter().map(|(labels, one)| (&**labels, one)),
        );
        if let Some(depth) = self.depth.get() {
            let point =
                pb::NumberPoint { time_unix_nano: now, as_int: Some(depth.into()), attributes: Vec::new() };
            queue.push(pb::Metric {
                name: "kn.serving.queue.depth".to_owned(),
                description: "Number of current requests in the queue".to_owned(),
                unit: "{request}".to_owned(),
                gauge: Some(pb::Gauge { data_points: vec![point] }),
                histogram: None,
            });
        }
        let scopes =
            [(HTTP_SCOPE, http), (QUEUE_SCOPE, queue)].into_iter().filter(|(_, all)| !all.is_empty());
        let scope_metrics = scopes
            .map(|(labels, metrics)| {
                let said = |name| value(labels, name).unwrap_or_default();
                let scope = pb::Scope { name: said("otel_scope_name"), version: said("otel_scope_version") };
                pb::ScopeMetrics { scope: Some(scope), metrics }
            })
            .collect();
        let of = pb::ResourceMetrics { resource: Some(resource), scope_metrics };
        pb::ExportMetrics { resource_metrics: vec![of] }.encode_to_vec()
    }
}

struct Points {
    since: u64,
    now: u64,
}

/// Name, description and unit of an instrument, and which of a request's histograms it is.
type Instrument = (&'static str, &'static str, &'static str, fn(&Exchanged) -> &Histogram);

impl Points {
    fn exchanged<const N: usize>(
        &self,
        out: &mut Vec<pb::Metric>,
        all: &Series<Exchanged>,
        of: [Instrument; N],
    ) {
        for (name, help, unit, one) in of {
            let all = all.0.iter().map(|(labels, x)| (&**labels, one(x)));
            self.histogram(out, (name, help, unit), all);
        }
    }

    fn histogram<'a>(
        &self,
        out: &mut Vec<pb::Metric>,
        (name, help, unit): (&str, &str, &str),
        all: impl Iterator<Item = (&'a str, &'a Histogram)>,
    ) {
        let data_points: Vec<_> = all.map(|(labels, one)| self.point(labels, one)).collect();
        if data_points.is_empty() {
            return;
        }
        out.push(pb::Metric {
            name: name.to_owned(),
            description: help.to_owned(),
            unit: unit.to_owned(),
            gauge: None,
            histogram: Some(pb::Histogram { data_points, aggregation_temporality: pb::CUMULATIVE }),
        });
    }

    fn point(&self, labels: &str, one: &Histogram) -> pb::HistogramPoint {
        pb::HistogramPoint {
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            count: one.count(),
            sum: Some(one.sum),
            bucket_counts: one.counts().to_vec(),
            explicit_bounds: one.bounds.to_vec(),
            attributes: attributes(labels),
            min: one.least(),
            max: one.most(),
        }
    }
}

/// Labels in Prometheus' form as attributes by their own names; what says whose instrument it is, is none.
fn attributes(labels: &str) -> Vec<pb::KeyValue> {
    let mut all = Vec::new();
    for (name, value) in pairs(labels) {
        let own = match name {
            _ if name.starts_with("otel_scope_") => continue,
            "server_port" | "http_response_status_code" => {
                let own = if name == "server_port" { "server.port" } else { "http.response.status_code" };
                all.push(pb::KeyValue::int(own, value.parse().unwrap_or_default()));
                continue;
            }
            "error_type" => "error.type",
            "http_request_method" => "http.request.method",
            "kn_route_tag" => "kn.route.tag",
            "network_protocol_name" => "network.protocol.name",
            "network_protocol_version" => "network.protocol.version",
            "otel_metric_overflow" => "otel.metric.overflow",
            "server_address" => "server.address",
            "url_scheme" => "url.scheme",
            other => other,
        };
        all.push(pb::KeyValue::text(own, value));
    }
    all
}

fn value(labels: &str, wanted: &str) -> Option<String> {
    pairs(labels).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// `name="value",..` with its escapes undone.
fn pairs(labels: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = labels;
    std::iter::from_fn(move || {
        let (name, more) = rest.trim_start_matches(',').split_once("=\"")?;
        let mut value = String::new();
        let mut chars = more.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        rest = more.get(end + 1..).unwrap_or_default();
        Some((name, value))
    })
}
