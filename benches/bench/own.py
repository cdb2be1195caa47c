"""Changes among many services under Forebay's own control plane (load/src/changes.rs): each is sent alone, as what it is. How
long until every connection that watches obeys, from the write into the control plane's store on, and what it costs."""

import contextlib
import json
import pathlib
import subprocess
import tempfile
import threading

from . import machine
from .changes import WORKERS, bootstrap
from .machine import Unable
from .peers import FOREBAY, LOAD, envoy_binary

WATCHERS = 16
# For all of a gateway's changes, seconds.
PATIENCE = 120
KINDS = ("endpoint", "split", "add", "remove")


def own_changes(services: int, times: int) -> dict:
    lines = [
        "| gateway | change | until obeyed: median ms | p99 | most | bytes sent | resources sent | gateway's CPU ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    notes, figures = [], {}
    for name, command in {"forebay": lambda: [FOREBAY, "gateway"], "envoy": lambda: [envoy_binary(), "--use-dynamic-base-id"]}.items():
        try:
            # Envoy makes its whole route table anew for each virtual host that changes.
            for kind, told, spent in _rows(command(), services, times if name == "forebay" else times // 10):
                times_ms = " | ".join(f"{told[which] / 1e3:.1f}" for which in ("p50_us", "p99_us", "max_us"))
                lines.append(f"| {name} | {kind} | {times_ms} | {told['bytes']:,} | {told['resources']:.0f} | {spent:.1f} |")
                if name == "forebay":
                    figures |= {f"{kind}, median ms": told["p50_us"] / 1e3, f"{kind}, p99 ms": told["p99_us"] / 1e3, f"{kind}, bytes": told["bytes"]}
        except Unable as why:
            notes.append(f"{name}: {why}.")
    words = (
        f"{WATCHERS} connections ask again and again, and a change is obeyed once the last of them is answered by it: "
        f"the last of {WORKERS} workers has it. Their requests are in the gateway's CPU time."
    )
    text = "\n".join(lines) + "\n\n" + words + "".join(f"\n\n{note}" for note in notes)
    return {"title": f"One change among {services} services, Forebay's own control plane, {WORKERS} workers, {times} changes of each kind (Envoy: {times // 10})", "text": text, "figures": figures, "missing": bool(notes)}


def _rows(gateway: list, services: int, times: int):
    """Each kind of change as soon as it was measured: what the control plane said, and the gateway's CPU milliseconds a change."""
    with contextlib.ExitStack() as ends:
        home = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="forebay-bench-")))
        port, admin, xds = (machine.free_port() for _ in range(3))
        words = [LOAD, "changes", "--xds", f"127.0.0.1:{xds}", "--gateway", f"127.0.0.1:{port}", "--services", services]
        words += ["--times", times, "--watchers", WATCHERS, "--access-log", home / "access.log"]
        control = subprocess.Popen(
            ["taskset", "-c", machine.OTHERS, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=ends.enter_context(open(home / "control.log", "w")), text=True,
        )
        ends.callback(machine.stop, control)
        late = threading.Timer(PATIENCE, control.kill)
        late.start()
        ends.callback(late.cancel)
        config = home / "bootstrap.json"
        config.write_text(bootstrap(admin, xds, "DELTA_GRPC"))
        log = home / "gateway.log"
        process = machine.start([*gateway, "-c", config, "--concurrency", WORKERS, "--log-level", "error"], machine.PROXY, log)
        ends.callback(machine.stop, process)
        _said(control, home)
        for kind in KINDS:
            before = sum(machine.cpu([process.pid]))
            control.stdin.write(kind + "\n")
            control.stdin.flush()
            told = _said(control, home)
            spent = (sum(machine.cpu([process.pid])) - before) / times / 1e3
            if told["nacks"]:
                raise Unable(f"{told['nacks']} of its changes were refused")
            yield kind, told, spent


def _said(control: subprocess.Popen, home: pathlib.Path) -> dict:
    line = control.stdout.readline()
    if not line:
        raise Unable(f"not done within {PATIENCE} s, or the control plane ended: {machine.tail(home / 'control.log')}")
    return json.loads(line)
