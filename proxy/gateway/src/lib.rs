//! The gateway role: xDS in, workers out, concurrency reported. Knows nothing of Kubernetes.
