//! Counters, histograms, Prometheus text, access log. Knows nothing of sockets or routes.
