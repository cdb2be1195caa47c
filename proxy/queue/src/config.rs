//! What the environment says, parsed before anything is opened. Owns the names, which are Knative's; binds nothing.

mod invalid;
mod observability;
mod otel;
mod prometheus;
mod tls;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use forebay_net::tls::Params;
pub use invalid::Invalid;
pub use observability::Observability;
pub(crate) use otel::Sampler;
pub use otel::{MetricsExport, Target, TracesExport};
pub use prometheus::Prometheus;

use crate::readiness::{self, Probe};
use words::Words;

/// Everything a queue-proxy is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose it is.
    pub identity: Identity,
    /// Where it listens.
    pub ports: Ports,
    /// The app: always on this machine.
    pub app: SocketAddr,
    /// Requests that may run at once; 0 is any number.
    pub concurrency: u32,
    /// The three clocks of a request.
    pub timeouts: Timeouts,
    /// What the app has to answer before it gets requests; empty is nothing.
    pub probes: Vec<Probe>,
    /// Whether HTTP probes try HTTP/2 first.
    pub detects_http2: bool,
    /// How the process logs.
    pub logging: Logging,
    /// Where Prometheus asks, if it does.
    pub prometheus: Option<Prometheus>,
    /// Metrics over OTLP, if they are told so.
    pub metrics: Option<MetricsExport>,
    /// Spans over OTLP, if they are told.
    pub traces: Option<TracesExport>,
    /// The authorities that a collector behind TLS is believed by, as a file; none is the system's.
    pub collector_authorities: Option<PathBuf>,
    /// Where profiles are asked for, if they may be.
    pub profiling: Option<SocketAddr>,
    /// The pod's name as metrics have it.
    pub pod_name: String,
    /// The service's name as metrics have it, where it is not Knative's.
    pub service_name: String,
    /// Metrics, traces and the request log.
    pub observability: Observability,
    /// Where the certificate is, if there is one.
    pub certificates: PathBuf,
    /// How often it is looked at again.
    pub certificates_every: Duration,
    /// What TLS may agree upon, or what is wrong with what was said of it.
    pub tls: Result<Params, String>,
    /// Time without a request after which a drain has done its work.
    pub quiet: Duration,
    /// How long upgraded connections and HTTP/2 streams may go on in the end.
    pub patience: Duration,
}

/// Whose queue-proxy it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Identity {
    pub namespace: String,
    pub service: String,
    pub configuration: String,
    pub revision: String,
    pub pod: String,
    pub pod_ip: String,
}

/// Where a queue-proxy listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// On which address; the unspecified one of IPv6 is IPv4 too.
    pub address: IpAddr,
    /// Requests.
    pub main: u16,
    /// Requests through TLS, where there is a certificate.
    pub tls: u16,
    /// The drain that Kubernetes asks for before it stops the app.
    pub admin: u16,
    /// Load, for the autoscaler.
    pub stats: u16,
}

/// The three clocks of a request, from its arrival on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// All of it.
    pub revision: Duration,
    /// Until something of the response is written.
    pub response_start: Option<Duration>,
    /// Between two writes, the first of them included.
    pub idle: Option<Duration>,
}

/// How the process logs: Knative's `config-logging`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    /// zap's configuration as JSON.
    pub config: String,
    /// The level, where it is not the configuration's.
    pub level: String,
}

/// The ports that Knative's controller and autoscaler have in their code.
const ADMIN: u16 = 8022;
const STATS: u16 = 9090;
/// knative.dev/pkg: `observability/runtime/pprof.go`.
const PROFILING: u16 = 8008;

/// serving: `pkg/queue/constants.go`, `CertDirectory`.
const CERTIFICATES: &str = "/var/lib/knative/certs";
/// serving: `pkg/queue/sharedmain/main.go`, where the watcher is made.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(60);

/// serving: `pkg/queue/sharedmain/main.go`, `drainSleepDuration`.
const QUIET: Duration = Duration::from_secs(30);
/// The same, `hijackDrainDuration`.
const PATIENCE: Duration = Duration::from_secs(60);

impl Config {
    /// Reads the environment by `get`. What is not named here is not looked at.
    ///
    /// # Errors
    /// The first variable that is missing or malformed, by its name.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let env = Words(&get);
        // In the reference's order, so that of several wrong variables the same one is told.
        let concurrency = env.int("CONTAINER_CONCURRENCY", "ContainerConcurrency")?;
        let main = env.port("QUEUE_SERVING_PORT")?;
        let tls_port = env.port("QUEUE_SERVING_TLS_PORT")?;
        let user = env.port("USER_PORT")?;
        let revision = env.int("REVISION_TIMEOUT_SECONDS", "RevisionTimeoutSeconds")?;
        let response_start = env
            .optional_int("REVISION_RESPONSE_START_TIMEOUT_SECONDS", "RevisionResponseStartTimeoutSeconds")?;
        let idle = env.optional_int("REVISION_IDLE_TIMEOUT_SECONDS", "RevisionIdleTimeoutSeconds")?;
        let probe = env.optional("SERVING_READINESS_PROBE");
        // What it asks for is how requests are served anyway.
        env.flag("ENABLE_HTTP_FULL_DUPLEX", "EnableHTTPFullDuplex")?;
        let detects_http2 = env.flag("ENABLE_HTTP2_AUTO_DETECTION", "EnableHTTP2AutoDetection")?;
        let several = env.flag("ENABLE_MULTI_CONTAINER_PROBES", "EnableMultiContainerProbes")?;
        let logging = Logging {
            config: env.required("SERVING_LOGGING_CONFIG")?,
            level: env.required("SERVING_LOGGING_LEVEL")?,
        };
        let identity = Identity {
            namespace: env.required("SERVING_NAMESPACE")?,
            service: env.optional("SERVING_SERVICE"),
            configuration: env.required("SERVING_CONFIGURATION")?,
            revision: env.required("SERVING_REVISION")?,
            pod: env.required("SERVING_POD")?,
            pod_ip: env.required("SERVING_POD_IP")?,
        };
        let address = env.address("FOREBAY_QUEUE_ADDRESS", Ipv6Addr::UNSPECIFIED.into())?;
        let observability = Observability::read(&env.optional("OBSERVABILITY_CONFIG"))?;
        let request_metrics = &observability.request_metrics;
        let prometheus = match request_metrics.protocol.as_str() {
            "prometheus" => Some(prometheus::read(&env, address, &request_metrics.endpoint)?),
            _ => None,
        };
        let metrics = otel::metrics(&env, request_metrics).map_err(Invalid::Telemetry)?;
        let traces = otel::traces(&env, &observability.tracing).map_err(Invalid::Telemetry)?;
        let profiling = match observability.profiles() {
            true => Some(SocketAddr::new(address, env.optional_port("PROFILING_PORT", PROFILING)?)),
            false => None,
        };
        let authorities = [env.optional("OTEL_EXPORTER_OTLP_CERTIFICATE"), env.optional("SSL_CERT_FILE")];
        let pod_name = [env.optional("POD_NAME"), env.optional("HOSTNAME")];
        let seconds = |n: i64| Duration::from_secs(u64::try_from(n).unwrap_or_default());
        let optional = |n: i64| (n > 0).then(|| seconds(n));
        Ok(Self {
            identity,
            ports: Ports {
                address,
                main,
                tls: tls_port,
                admin: env.optional_port("FOREBAY_QUEUE_ADMIN_PORT", ADMIN)?,
                stats: env.optional_port("FOREBAY_QUEUE_STATS_PORT", STATS)?,
            },
            app: (Ipv4Addr::LOCALHOST, user).into(),
            concurrency: u32::try_from(concurrency.max(0))
                .map_err(|_| Invalid::TooLarge { name: "CONTAINER_CONCURRENCY", value: concurrency })?,
            timeouts: Timeouts {
                revision: seconds(revision),
                response_start: optional(response_start),
                idle: optional(idle),
            },
            probes: readiness::parse(&probe, several)
                .map_err(|why| Invalid::Json { name: "SERVING_READINESS_PROBE", why })?,
            detects_http2,
            logging,
            prometheus,
            metrics,
            traces,
            collector_authorities: authorities.into_iter().find(|path| !path.is_empty()).map(PathBuf::from),
            profiling,
            pod_name: pod_name.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            service_name: env.optional("OTEL_SERVICE_NAME"),
            observability,
            certificates: env.path("FOREBAY_QUEUE_CERTIFICATES", CERTIFICATES),
            certificates_every: CERTIFICATES_EVERY,
            tls: tls::read(&env, "QUEUE_PROXY"),
            quiet: env.duration("FOREBAY_QUEUE_QUIET", QUIET)?,
            patience: PATIENCE,
        })
    }
}

impl Config {
    /// The service's name as metrics and traces have it.
    pub(crate) fn telemetry_name(&self) -> &str {
        let id = &self.identity;
        let named = [&self.service_name, &id.service, &id.configuration, &id.revision, &self.pod_name];
        named.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests;
