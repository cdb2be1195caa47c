//! KPA's decision as a pure function, its windows, and the stat server. Knows nothing of proxies.
