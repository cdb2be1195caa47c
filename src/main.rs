//! The binary: subcommands and signals, nothing else.
fn main() {}
