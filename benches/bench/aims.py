"""What Forebay holds itself to, beside what a run measured, and why what is missed is missed. Knows the results' JSON only."""

import statistics
from dataclasses import dataclass

from .ratio import ratios


@dataclass(frozen=True)
class Aim:
    """`most` is the largest share of a peer's CPU time in a row's cell, or the largest figure of a section."""

    words: str
    most: float
    # Row, cell and peer; or section, figure and nothing.
    where: tuple[str, str, str]
    # Told where it is missed.
    cause: str = ""


# Where the rest of a small request goes, by a profile of both (perf, cpu-clock): user time is alike.
FLOOR = (
    "user time is nginx's; some 70 % of a request is the kernel's, in the same four system calls, and there we have threads beside the worker "
    "on its core (the log's, one switch for 200 requests) and libc's cancellation points in every call, which a program of one thread has not"
)
BARE = "the relay has no routes, limits, statistics, log or ids: what is above it is theirs, some 2 to 3 µs of user time"

AIMS = (
    Aim("h1 → h1, 32 connections, of nginx", 0.88, ("h1", "c=32", "nginx"), FLOOR),
    Aim("h1 → h1, 128 connections, of HAProxy", 0.75, ("h1", "c=128", "haproxy"), "within the spread of rounds; the rest as at 32 connections"),
    Aim("h1 → h1, 32 connections, of Envoy", 0.26, ("h1", "c=32", "envoy"), "within the spread of rounds"),
    Aim("h1 → h1, 128 connections, of Envoy", 0.26, ("h1", "c=128", "envoy"), "within the spread of rounds"),
    Aim("h2 → h1, 1×64, of HAProxy", 0.90, ("h2-h1", "1×64", "haproxy")),
    Aim("h2 → h1, 16×16, of HAProxy", 0.90, ("h2-h1", "16×16", "haproxy")),
    Aim("h2 → h2, 1×64, of HAProxy", 1.00, ("h2-h2", "1×64", "haproxy")),
    Aim("h2 → h2, 16×16, of HAProxy", 1.00, ("h2-h2", "16×16", "haproxy")),
    Aim("gRPC, 1×64, of Envoy", 0.25, ("grpc", "1×64", "envoy")),
    Aim("gRPC, 16×16, of Envoy", 0.25, ("grpc", "16×16", "envoy")),
    Aim("h1 → h1, 32 connections, of the bare relay", 1.12, ("h1", "c=32", "relay"), BARE),
    Aim("h1 → h1, 128 connections, of the bare relay", 1.12, ("h1", "c=128", "relay"), BARE),
    Aim("queue-proxy, 32 connections, of Knative's", 0.14, ("queue-proxy", "c=32", "knative"), "within the spread of rounds"),
    Aim("queue-proxy, 128 connections, of Knative's", 0.14, ("queue-proxy", "c=128", "knative")),
    Aim("queue-proxy, h2c, 32 connections, of Knative's", 0.14, ("queue-proxy-h2c", "c=32", "knative"), "HTTP/2 frames of one stream each leave in a write of their own"),
    Aim("queue-proxy, h2c, 128 connections, of Knative's", 0.14, ("queue-proxy-h2c", "c=128", "knative"), "HTTP/2 frames of one stream each leave in a write of their own"),
    Aim("queue-proxy, resident with nothing to do, of Knative's", 0.20, ("sidecar", "idle, of Knative's", ""), "pages of the program's text; what it holds itself is 1 to 2 MiB"),
    Aim("queue-proxy, resident at 128 connections, of Knative's", 0.20, ("sidecar", "h1, of Knative's", ""), "pages of the program's text; what it holds itself is 1 to 2 MiB"),
    Aim("queue-proxy, exec to the first connection accepted, ms", 5, ("sidecar", "start, ms", "")),
    Aim("queue-proxy, exec to the first readiness answer, ms", 10, ("sidecar", "ready, ms", "")),
    Aim("queue-proxy, an app's first listen to 200 at a probe that waits, ms", 2, ("sidecar", "listen, ms", "")),
    Aim("queue-proxy, CPU with nothing to do, thousandths of one", 1, ("sidecar", "idle_cpu, m", "")),
    Aim("activator: our gateway in `up`, of Envoy and Knative's activator together", 0.14, ("chain", "up: gateway, of Envoy and activator", "")),
    Aim("activator: our whole gateway, of Knative's activator alone", 0.14, ("chain", "up: gateway, of the activator alone", ""),
        "there is no activator apart: what holds requests is the gateway, whose whole hop is counted against the activator's part of two hops"),
    Aim("chain from zero, CPU, of Knative's", 0.12, ("chain", "up-queue-proxy: CPU of the chain from zero, of Knative's", ""),
        "`up`'s process has the control plane, the autoscaler and the start of processes in it, the other side's have not"),
    Aim("chain from zero, `hey -n 10000 -c 200`, slowest ms", 150, ("chain", "up: from zero, slowest ms", ""), "load and apps share two cores with it, and 200 clients come at once"),
    Aim("one request from zero, median ms", 60, ("chain", "up: one from zero, median ms", "")),
    Aim("one request from zero, Forebay as Knative's gateway and queue-proxy, median ms", 60, ("chain", "drop-in: one from zero, median ms", ""),
        "Knative's own autoscaler, controller and API server lie in this way, and a pod's network and mounts are made in it"),
    Aim("KiB of a Service at zero, 1,000 of them, above an empty `up`", 8, ("zero", "KiB for each of 1,000", ""),
        "the first Service brings a MiB of pages: what stands behind it is touched then"),
    Aim("KiB of an idle HTTP/1 connection", 2, ("idle", "KiB for each", ""), "slack of the allocator's slabs, which another one had elsewhere"),
    Aim("one endpoint of 10,000 services changes, every worker obeys, p99 ms", 10, ("own-changes", "endpoint, p99 ms", ""), "1.5 ms in the median; the watching clients and the control plane share a processor, and what ran beside showed: 8.7 and 8.9 in other runs"),
    Aim("bytes of that change", 1024, ("own-changes", "endpoint, bytes", "")),
    Aim("10 MB of routes hold after their arrival, ms, most", 150, ("snapshot", "push from its arrival, ms, most", "")),
    Aim("longest request of one that passes by meanwhile, ms more than without, median of pushes", 2, ("snapshot", "longest request, ms more with pushes than without", "")),
    Aim("MiB under that snapshot, of Envoy's", 0.30, ("snapshot", "MiB at rest, of Envoy's", "")),
    Aim("cold start, the data plane's share, p99 ms", 5, ("cold-start", "share, p99 ms", ""), "the slowest of 100, which had 2.8 to 9.8 ms in twelve runs of one hour, with old builds and new; `run` takes the slowest but one since"),
)


def table(results: dict) -> list[str]:
    """Every aim with what was measured, those of rows with their spread; nothing is left out."""
    lines = ["| aim | at most | measured | spread | | where it is missed, because |", "|---|---|---|---|---|---|"]
    for aim in AIMS:
        found = measured(results, aim)
        if not found:
            lines.append(f"| {aim.words} | {aim.most:g} | not measured | | | |")
            continue
        low, middle, high = found
        held = round(middle, 2) <= aim.most
        spread = f"{low:.2f} to {high:.2f}" if low != high else ""
        lines.append(f"| {aim.words} | {aim.most:g} | **{middle:.2f}** | {spread} | {'held' if held else 'missed'} | {'' if held else aim.cause} |")
    return lines


def measured(results: dict, aim: Aim) -> tuple[float, float, float] | None:
    """Least, median and most."""
    where, what, peer = aim.where
    if not peer:
        values = [section.get("figures", {}).get(what) for section in results["sections"] if section.get("name") == where]
        return next(((value, value, value) for value in values if value is not None), None)
    for row in results["rows"]:
        for cell in row["cells"]:
            if (row["name"], cell["title"]) == (where, what):
                found = ratios(cell["samples"].get("forebay", []), cell["samples"].get(peer, []))
                return (found[0], statistics.median(found), found[-1]) if found else None
    return None
