//! Per-worker pools, connect, DNS. Knows nothing of routes.
