//! The sample app on its own, without a proxy before it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::Signal;

use super::{FOREBAY, process, until};

pub struct Sample {
    pub address: SocketAddr,
    child: Child,
}

impl Sample {
    pub fn start(env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(FOREBAY);
        command.args(["sample", "hello"]).env("PORT", "0").envs(env.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where").parse().unwrap();
        Self { address, child }
    }

    pub fn tell(&self, signal: Signal) {
        process::signal(self.child.id(), signal);
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the sample app to end", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
