//! The resource store and the ADS service. Knows nothing of Kubernetes or HTTP proxying.
