//! Sources of Knative objects, translated to xDS resources. Knows nothing of the proxy.
