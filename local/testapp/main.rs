//! The programs that the tests of this crate run: an app with bad habits, the guard, and a parent to be killed.
//! Knows nothing of what is asserted.

mod app;
mod parent;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("__guard") => forebay_local::guard_main(),
        Some("app") => app::main(args),
        Some("parent") => parent::main(args),
        other => {
            eprintln!("unknown part {other:?}");
            ExitCode::FAILURE
        }
    }
}
