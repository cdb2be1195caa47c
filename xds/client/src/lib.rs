//! One ADS stream from the subscriber's side. Knows nothing of Kubernetes or HTTP proxying.
