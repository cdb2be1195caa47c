"""Queue-proxies: each in a network of its own with its app, as in a pod, since their ports are fixed. Needs root."""

import json
import os
import pathlib
import subprocess
import time

from . import machine
from .machine import At, Unable
from .peers import FOREBAY, QUEUE_PROXY, ROOT, Peer, Scene, said

APP = 8080
# What Knative's controller sets and both understand.
ENVIRONMENT = {**json.loads((ROOT / "conformance/queue/environment.json").read_text()), "USER_PORT": str(APP)}


class Sidecar(Peer):
    def __init__(self, home: pathlib.Path, _: int, scene: Scene):
        if os.geteuid() != 0:
            raise Unable("needs root, for a network of its own")
        self.home = home / self.name
        self.home.mkdir()
        self.network = f"forebay-bench-{os.getpid()}-{self.name}"
        _ip("netns", "add", self.network)
        self.app = self.process = None
        try:
            _ip("-n", self.network, "link", "set", "lo", "up")
            self.at = At(8012, ("ip", "netns", "exec", self.network))
            self.log = self.home / "output.log"
            self.app = machine.start([*self.at.enter, FOREBAY, "sample", "hello"], machine.OTHERS, self.home / "app.log", {"PORT": str(APP)})
            environment = {**ENVIRONMENT, "CONTAINER_CONCURRENCY": str(scene.concurrency), **self.more()}
            self.process = machine.start([*self.at.enter, *self.command()], machine.PROXY, self.log, environment)
            self.answers()
        except BaseException:
            self.stop()
            raise
        self.pids = [self.process.pid]

    def more(self) -> dict[str, str]:
        return {}

    def answers(self) -> None:
        end = time.monotonic() + 30
        ask = [*self.at.enter, "curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{self.at.port}/"]
        while subprocess.run(ask).returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                raise Unable(f"does not answer: {machine.tail(self.log)}")
            time.sleep(0.05)

    def stop(self) -> None:
        for process in (self.process, self.app):
            if process:
                machine.stop(process)
        _ip("netns", "del", self.network)


class QueueProxy(Sidecar):
    name = "forebay"

    def command(self) -> list:
        return [QUEUE_PROXY]

    @classmethod
    def version(cls) -> str:
        if not QUEUE_PROXY.exists():
            raise Unable("not built (deploy/build-queue-proxy)")
        return said([QUEUE_PROXY, "--version"])


class KnativeQueueProxy(Sidecar):
    """Knative's own, from the module that `conformance/queue` pins; on the one core it has, as in a pod with one CPU."""

    name = "knative"

    def command(self) -> list:
        return [built()]

    def more(self) -> dict[str, str]:
        return {"GOMAXPROCS": "1"}

    @classmethod
    def version(cls) -> str:
        built()
        return "queue-proxy of conformance/modules/queue"


def built() -> pathlib.Path:
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    binary = pathlib.Path(os.environ.get("QUEUE", cache / "forebay-conformance" / "parts" / "queue"))
    if not binary.is_file():
        raise Unable(f"not built (conformance/build {binary.parent} queue; needs Go)")
    return binary


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise Unable(f"ip {' '.join(words)}: {done.stderr.strip()}")
