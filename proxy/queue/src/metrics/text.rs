//! Prometheus' text format, families in the order of their names. Counts nothing.

use std::fmt::Write;

use super::histogram::Histogram;
use super::{Exchanged, Metrics, Series};
use crate::template::Value;

/// What a scrape is answered with.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

impl Metrics {
    /// All instruments that have counted.
    pub(crate) fn text(&self) -> String {
        let mut out = Text(String::new());
        let (client, server) = (&*self.client.borrow(), &*self.server.borrow());
        out.exchanged(
            "http_client_request_body_size_bytes",
            "Size of HTTP client request bodies.",
            client,
            |x| &x.request,
        );
        out.exchanged(
            "http_client_request_duration_seconds",
            "Duration of HTTP client requests.",
            client,
            |x| &x.duration,
        );
        out.exchanged(
            "http_server_request_body_size_bytes",
            "Size of HTTP server request bodies.",
            server,
            |x| &x.request,
        );
        out.exchanged(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            server,
            |x| &x.duration,
        );
        out.exchanged(
            "http_server_response_body_size_bytes",
            "Size of HTTP server response bodies.",
            server,
            |x| &x.response,
        );
        let invocations = &*self.invocations.borrow();
        out.histograms(
            "kn_serving_invocation_duration_seconds",
            "The duration of task execution",
            invocations,
        );
        if let Some(depth) = self.depth.get() {
            let scope = super::QUEUE_SCOPE;
            out.head("kn_serving_queue_depth", "Number of current requests in the queue", "gauge");
            out.line("kn_serving_queue_depth", scope, f64::from(depth));
        }
        out.process();
        let (requests, app) = (&*self.requests.borrow(), &*self.app_requests.borrow());
        out.counts(
            "revision_app_request_count",
            "The number of requests that are routed to user-container",
            app,
        );
        out.histograms("revision_app_request_latencies", "The response time in millisecond", app);
        if let Some(depth) = self.depth.get() {
            let labels = format!("{},{},{}", self.identity, self.revision, self.service);
            out.head("revision_queue_depth", "The current number of items in the serving and waiting queue, or not reported if unlimited concurrency.", "gauge");
            out.line("revision_queue_depth", &labels, f64::from(depth));
        }
        out.counts(
            "revision_request_count",
            "The number of requests that are routed to queue-proxy",
            requests,
        );
        out.histograms("revision_request_latencies", "The response time in millisecond", requests);
        out.head("target_info", "Target metadata", "gauge");
        out.line("target_info", &self.target, 1.0);
        out.0
    }
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {}", number(value)),
            labels => writeln!(self.0, "{name}{{{labels}}} {}", number(value)),
        };
    }

    fn exchanged(
        &mut self,
        name: &str,
        help: &str,
        all: &Series<Exchanged>,
        one: impl Fn(&Exchanged) -> &Histogram,
    ) {
        if !all.0.is_empty() {
            self.head(name, help, "histogram");
            all.0.iter().for_each(|(labels, x)| self.histogram(name, labels, one(x)));
        }
    }

    fn histograms(&mut self, name: &str, help: &str, all: &Series<Histogram>) {
        if !all.0.is_empty() {
            self.head(name, help, "histogram");
            all.0.iter().for_each(|(labels, one)| self.histogram(name, labels, one));
        }
    }

    fn counts(&mut self, name: &str, help: &str, all: &Series<Histogram>) {
        if !all.0.is_empty() {
            self.head(name, help, "counter");
            all.0.iter().for_each(|(labels, one)| self.line(name, labels, one.count() as f64));
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, one: &Histogram) {
        for (bound, count) in one.cumulative() {
            let _ = writeln!(self.0, "{name}_bucket{{{labels},le=\"{}\"}} {count}", number(bound));
        }
        let _ = writeln!(self.0, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", one.count());
        self.line(&format!("{name}_sum"), labels, one.sum);
        self.line(&format!("{name}_count"), labels, one.count() as f64);
    }

    /// What the kernel says of the process, where it says it in files.
    fn process(&mut self) {
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
        // Behind the name, which may hold anything: state is the third field of all, so the 14th and 15th are here 11 and 12.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        // 100 ticks a second, on every Linux that programs can ask; 4 KiB pages likewise where this runs.
        let cpu = (field(11) + field(12)) / 100.0;
        self.head("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter");
        self.line("process_cpu_seconds_total", "", cpu);
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            self.head("process_open_fds", "Number of open file descriptors.", "gauge");
            self.line("process_open_fds", "", open.count() as f64);
        }
        self.head("process_resident_memory_bytes", "Resident memory size in bytes.", "gauge");
        self.line("process_resident_memory_bytes", "", field(21) * rustix::param::page_size() as f64);
    }
}

/// As Go prints it.
fn number(value: f64) -> String {
    Value::Float(value).show()
}
