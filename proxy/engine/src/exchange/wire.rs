//! A connection to an endpoint, counted from its opening to its end. Knows no bytes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use forebay_balance::{Endpoint, Event, Use};
use forebay_model::{ClusterConfig, Protocol};
use forebay_net::{Clock, Micros, Stream};
use forebay_telemetry::{Cluster, ClusterTime};
use forebay_upstream::{Keep, Owner, Why};

use super::limits::{Hold, Priority};
use crate::bytes::Bytes;
use crate::config::ClusterState;
use crate::worker::Worker;

/// Counts a connection, and holds its place among those that the cluster may have.
pub(crate) struct Wire {
    state: Rc<ClusterState>,
    clock: Clock,
    begun: Micros,
    established: bool,
    /// Our end.
    pub(super) local: Option<SocketAddr>,
    /// Said by its pool, or by the exchange that it failed in.
    why: Option<Why>,
    /// Where it goes, which counts it as well.
    endpoint: Arc<Endpoint>,
    _hold: Option<Hold>,
}

impl Wire {
    /// A connection that is about to be opened; `None`: the cluster has all that it may have. A revision's are as many as its
    /// gate lets requests in, so nothing else bounds them. The first of an endpoint is always allowed, as by Envoy: else
    /// endpoints that others' connections keep out would never be reached.
    pub(super) fn open(
        worker: &Worker,
        state: &Rc<ClusterState>,
        config: &ClusterConfig,
        endpoint: &Arc<Endpoint>,
        priority: Priority,
        first: bool,
        h2: bool,
    ) -> Option<Self> {
        let hold = match &config.revision {
            Some(_) => None,
            None => Some(match Hold::of(state, Use::Connections, priority, config) {
                Some(hold) => hold,
                None if first => Hold::anyhow(state, Use::Connections, priority),
                None => return None,
            }),
        };
        endpoint.count(Event::Connected);
        let stats = state.stats(&worker.stats);
        stats.inc(Cluster::UpstreamCxTotal);
        stats.inc(Cluster::UpstreamCxActive);
        stats.inc(if h2 { Cluster::UpstreamCxHttp2Total } else { Cluster::UpstreamCxHttp1Total });
        Some(Self {
            state: state.clone(),
            clock: worker.clock.clone(),
            begun: worker.clock.now(),
            established: false,
            local: None,
            why: None,
            endpoint: endpoint.clone(),
            _hold: hold,
        })
    }

    /// The exchange on it was broken off, by the endpoint or by us.
    pub(super) fn broke(&mut self, remote: bool) {
        let Some(stats) = self.state.counted() else { return };
        stats.inc(Cluster::UpstreamCxDestroyWithActiveRq);
        if remote {
            self.why = Some(Why::Remote);
            stats.inc(Cluster::UpstreamCxDestroyRemoteWithActiveRq);
        } else {
            stats.inc(Cluster::UpstreamCxDestroyLocalWithActiveRq);
        }
    }
}

impl Owner for Wire {
    fn opened(&mut self, io: Stream) -> Stream {
        self.established = true;
        // Asked once a connection: access logs tell it for each request.
        self.local = io.tcp().local_addr().ok();
        if let Some(stats) = self.state.counted() {
            if let Some(tls) = io.tls() {
                stats.inc(Cluster::SslHandshake);
                stats.inc(if tls.version() == "TLSv1.3" { Cluster::SslTls13 } else { Cluster::SslTls12 });
                if tls.is_resumed() {
                    stats.inc(Cluster::SslSessionReused);
                }
            }
            stats.record(ClusterTime::UpstreamCxConnect, self.clock.tick().since(self.begun));
            return io.metered(Bytes::of_cluster(stats));
        }
        io
    }

    fn closes(&mut self, why: Why) {
        self.why = Some(why);
        let Some(stats) = self.state.counted() else { return };
        match why {
            Why::Idle => stats.inc(Cluster::UpstreamCxIdleTimeout),
            Why::MaxDuration => stats.inc(Cluster::UpstreamCxMaxDurationReached),
            Why::MaxRequests => stats.inc(Cluster::UpstreamCxMaxRequests),
            Why::Silent => stats.inc(Cluster::Http2KeepaliveTimeout),
            Why::Remote | Why::Drained => {}
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.endpoint.count(Event::Closed);
        let Some(stats) = self.state.counted() else { return };
        stats.dec(Cluster::UpstreamCxActive);
        if !self.established {
            return;
        }
        stats.inc(Cluster::UpstreamCxDestroy);
        stats.inc(match self.why {
            Some(Why::Remote) => Cluster::UpstreamCxDestroyRemote,
            _ => Cluster::UpstreamCxDestroyLocal,
        });
        stats.record(ClusterTime::UpstreamCxLength, self.clock.tick().since(self.begun));
    }
}

/// How long a cluster's connections are kept.
pub(crate) fn keep(config: &ClusterConfig) -> Keep {
    Keep {
        idle: config.idle_timeout,
        duration: config.max_connection_duration,
        requests: config.max_requests_per_connection,
    }
}

/// What a cluster's HTTP/2 connections announce.
pub(super) fn settings(protocol: Protocol) -> forebay_http::h2::Settings {
    let http2 = match protocol {
        Protocol::Http1 => return forebay_http::h2::Settings::default(),
        Protocol::Http2(http2) | Protocol::Downstream(http2) => http2,
    };
    forebay_http::h2::Settings {
        max_concurrent_streams: http2.max_concurrent_streams,
        stream_window: http2.stream_window,
        connection_window: http2.connection_window,
        keepalive: http2.keepalive.map(|keepalive| forebay_http::h2::Keepalive {
            interval: keepalive.interval,
            timeout: keepalive.timeout,
        }),
    }
}
