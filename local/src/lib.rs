//! The single-machine platform: revisions as local processes. Knows nothing of proxies.
