//! Request to route, pure: hosts, paths, headers, splits. Knows no protobuf and no sockets.
