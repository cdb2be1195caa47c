"""One large snapshot, as Knative's ingress controller sends it: 10,000 hosts, 10 MB, in one route configuration
(load/src/snapshot.rs). How long a push of all of it takes to hold, what those feel who only pass by, and memory at rest. The
client goes before everything else on its processor where it may, so that what it waits for is the gateway and not the control
plane beside it."""

import contextlib
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from . import machine
from .changes import WORKERS, bootstrap
from .machine import Unable
from .peers import FOREBAY, LOAD, envoy_binary

# Seconds for a first snapshot, and for each push.
PATIENCE = 60.0
# Seconds between two requests.
PAUSE = 0.000_5
# Seconds before a push has arrived from which on its longest request is looked for, until it holds: it comes in them.
BEFORE = 0.05
# Seconds of a window without a push.
WINDOW = 0.1


def snapshot(hosts: int, pushes: int) -> dict:
    lines = [
        "| gateway | first snapshot, s | MiB at rest | MiB after | a push holds after it was given, ms: median | after it arrived: median | most | CPU ms a push "
        "| longest request of each window, ms: median without pushes | with | most without | with | the same once more: resources sent |",
        "|" + "---|" * 13,
    ]
    notes, found = [], {}
    for name, command in {"forebay": lambda: [FOREBAY, "gateway"], "envoy": lambda: [envoy_binary(), "--use-dynamic-base-id"]}.items():
        try:
            with Arrangement(command(), hosts) as running:
                one = found[name] = running.measure(pushes)
            lines.append(
                f"| {name} | {one['first']:.2f} | {one['rest']:.0f} | {one['after']:.0f} | {one['given']:.0f} | {one['median']:.0f} | {one['most']:.0f} | {one['cpu']:.0f} "
                f"| {one['quiet'][0]:.1f} | {one['busy'][0]:.1f} | {one['quiet'][1]:.1f} | {one['busy'][1]:.1f} | {one['same']:.0f} |"
            )
        except (Unable, OSError, http.client.HTTPException) as why:
            notes.append(f"{name}: {why or type(why).__name__}.")
    words = (
        f"{WORKERS} workers and all else of the gateway on one processor, {pushes} pushes. A push is another order of all hosts and one host changed; it "
        "holds when a connection that asks twice a millisecond is answered by it, and has arrived when its last bytes are in the "
        f"gateway's socket. The requests are that connection's, and a window is from {BEFORE * 1e3:.0f} ms before a push has arrived until it "
        f"holds, or {WINDOW * 1e3:.0f} ms without a push; what is longest in one without pushes is this machine's own. In the last column the control plane is given what it has."
    )
    figures = {}
    if "forebay" in found:
        ours = found["forebay"]
        longer = ours["busy"][0] - ours["quiet"][0]
        figures = {"push from its arrival, ms, most": ours["most"], "longest request, ms more with pushes than without": longer}
        if "envoy" in found:
            figures["MiB at rest, of Envoy's"] = ours["rest"] / found["envoy"]["rest"]
    return {
        "title": f"A snapshot of {hosts} hosts, {pushes} pushes of all of it",
        "text": "\n".join(lines) + "\n\n" + words + "".join(f"\n\n{note}" for note in notes),
        "figures": figures,
        "missing": bool(notes),
    }


class Arrangement:
    """A gateway with the first snapshot in force."""

    def __init__(self, gateway: list, hosts: int):
        self.ends = contextlib.ExitStack()
        try:
            home = pathlib.Path(self.ends.enter_context(tempfile.TemporaryDirectory(prefix="forebay-bench-")))
            port, admin, xds = (machine.free_port() for _ in range(3))
            words = [LOAD, "snapshot", "--xds", f"127.0.0.1:{xds}", "--gateway", f"127.0.0.1:{port}", "--hosts", hosts]
            self.log = home / "control.log"
            self.control = subprocess.Popen(
                ["taskset", "-c", machine.OTHERS, *map(str, words)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.ends.enter_context(open(self.log, "w")), text=True,
            )
            self.ends.callback(machine.stop, self.control)
            self._said()
            config, log = home / "bootstrap.json", home / "gateway.log"
            config.write_text(bootstrap(admin, xds))
            began = time.monotonic()
            self.gateway = machine.start([*gateway, "-c", config, "--concurrency", WORKERS, "--log-level", "error"], machine.PROXY, log)
            self.ends.callback(machine.stop, self.gateway)
            machine.wait_for(port, self.gateway, log)
            self.client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            self.ends.callback(self.client.close)
            self._until("0")
            self.first = time.monotonic() - began
        except BaseException:
            self.ends.close()
            raise

    def measure(self, pushes: int) -> dict:
        time.sleep(2)
        rest, given, taken, quiet, busy = self._mib(), [], [], [], []
        with first_on_its_processor():
            for _ in range(pushes):
                quiet.append(longest(self._for(WINDOW)))
            spent = sum(machine.cpu([self.gateway.pid]))
            for number in range(1, pushes + 1):
                self._tell("push")
                times, held = self._until(str(number))
                given.append((held - self._said()["at_us"] / 1e6) * 1e3)
                self._tell("arrived")
                arrived = self._said()["arrived_us"] / 1e6
                taken.append((held - arrived) * 1e3)
                busy.append(longest(times, arrived - BEFORE))
                time.sleep(0.2)
            spent = sum(machine.cpu([self.gateway.pid])) - spent
        # The count of what was sent is that of the control plane's store; it is asked twice, so that the push before is in it.
        said = []
        for _ in range(2):
            time.sleep(0.5)
            self._tell("same")
            said.append(self._said()["resources"])
        return {
            "first": self.first, "rest": rest, "after": self._mib(), "given": statistics.median(given),
            "median": statistics.median(taken), "most": max(taken), "cpu": spent / pushes / 1e3,
            "quiet": (statistics.median(quiet), max(quiet)), "busy": (statistics.median(busy), max(busy)), "same": said[1] - said[0],
        }

    def ask(self) -> tuple[str, float]:
        """What is answered, and milliseconds."""
        began = time.monotonic()
        self.client.request("GET", "/", headers={"Host": "probe.test"})
        text = self.client.getresponse().read().decode()
        return text, (time.monotonic() - began) * 1e3

    def _until(self, wanted: str) -> tuple[list, float]:
        """The requests, each with when it began and how many milliseconds it took, and when that answer came."""
        end, asked = time.monotonic() + PATIENCE, []
        while time.monotonic() < end:
            began = time.time()
            text, taken = self.ask()
            asked.append((began, taken))
            if text == wanted:
                return asked, time.time()
            time.sleep(PAUSE if text.isdigit() else 0.01)
        raise Unable(f"push {wanted} was not obeyed within {PATIENCE:.0f} s")

    def _for(self, seconds: float) -> list:
        end, asked = time.time() + seconds, []
        while (began := time.time()) < end:
            asked.append((began, self.ask()[1]))
            time.sleep(PAUSE)
        return asked

    def _tell(self, word: str) -> None:
        self.control.stdin.write(word + "\n")
        self.control.stdin.flush()

    def _said(self) -> dict:
        line = self.control.stdout.readline()
        if not line:
            raise Unable(f"the control plane ended: {machine.tail(self.log)}")
        return json.loads(line)

    def _mib(self) -> float:
        return machine.resident([self.gateway.pid]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.ends.close()


@contextlib.contextmanager
def first_on_its_processor():
    """Goes before whatever else wants the load's processor. Only root may; others measure with the scheduler's share."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(machine.OTHERS)})
    try:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, before)


def longest(asked: list, since: float = 0.0) -> float:
    """Of those that ended after a moment."""
    return max(taken for began, taken in asked if began + taken / 1e3 >= since)
