//! Listeners, sniffing, timers, drain. Knows no HTTP semantics.
