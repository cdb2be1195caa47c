//! HTTP/1.1 and HTTP/2 legs behind one narrow interface. Knows nothing of clusters.
