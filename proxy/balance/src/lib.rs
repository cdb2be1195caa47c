//! Admission and endpoint choice, pure. Knows no sockets; time is an argument.
