"""What runs come to: tables for the terminal, records on disk, and results.md out of both gateways' records."""

import json
import os
import platform

from . import places

RECORDS = places.RUNS / "records"
OURS, THEIRS = "Forebay", "Envoy 1.40.0"
GATEWAY_POD = places.GATEWAY[0] + "_" + places.GATEWAY[1]


def passed(record: dict) -> bool:
    if record["kind"] == "rolling":
        return record["requests"] > 0 and record["failed"] == 0
    return record["exit"] == 0 and not record["failed"] and bool(record["counts"].get("PASS"))


def summary(gateway: str, records: list[dict]) -> str:
    lines = []
    for record in records:
        lines.append("")
        if record["kind"] == "rolling":
            lines += rolling_lines(record)
            continue
        lines += [f"{t['result']} {t['seconds']:7.2f} s  {t['test']}" for t in record["top"]]
        lines += [f"FAILED {name}" for name in record["failed"]]
        lines += [f"TIMED OUT {name}" for name in record["hung"]]
        lines += [f"{row['name']:78} cpu {row['cpu_s']:7.2f} s  peak {row['peak_mib']:6.1f} MiB  "
                  f"now {row['now_mib']:6.1f} MiB" for row in record["usage"]]
        lines.append(f"time to Ready: {ready(record)}")
        lines.append(f"{record['name']} with {gateway}: {count(record)} passed, wall {record['wall_s']} s, "
                     f"raw output in {record['out']}")
    return "\n".join(lines)


def rolling_lines(record: dict) -> list[str]:
    words = (f"{record['name']}: {record['requests']} requests on {record['connections']} connections, "
             f"{record['failed']} failed, slowest {record['slowest_s']} s, wall {record['wall_s']} s")
    kinds = [f"  {kind}: {saw['requests']} requests on {saw['connections']} connections, {saw['failed']} failed"
             for kind, saw in record["kinds"].items()]
    return [words, *kinds, *("  " + reason for reason in record["reasons"])]


def count(record: dict) -> str:
    return f"{record['counts'].get('PASS', 0)} of {sum(record['counts'].values())}"


def ready(record: dict) -> str:
    seconds = [s for s, _ in record["ready_s"]]
    if not seconds:
        return "no Ingress became ready"
    return (f"median {seconds[len(seconds) // 2]:.2f} s, p90 {seconds[len(seconds) * 9 // 10]:.2f} s, "
            f"max {seconds[-1]:.2f} s of {len(seconds)}")


def cost(record: dict, pod: str = GATEWAY_POD) -> tuple[float, float]:
    """CPU seconds and peak MiB of the pods whose name begins with `pod`."""
    rows = [row for row in record["usage"] if row["name"].startswith(pod)]
    return sum(row["cpu_s"] for row in rows), max((row["peak_mib"] for row in rows), default=0.0)


def keep(gateway: str, records: list[dict]):
    """Keeps the records of a kind and name in the place of earlier ones: those of one invocation belong together."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    path = RECORDS / f"{gateway}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    fresh: dict[str, list[dict]] = {}
    for record in records:
        fresh.setdefault(f"{record['kind']}/{record['name']}", []).append(record)
    path.write_text(json.dumps({**known, **fresh}, indent=1))


def write():
    """Writes results.md from the last records of both gateways."""
    ours, theirs = ({}, {})
    for gateway, into in (("forebay", ours), ("envoy", theirs)):
        path = RECORDS / f"{gateway}.json"
        if path.exists():
            into.update(json.loads(path.read_text()))
    parts = [head(), suites(ours, theirs, "suite/suite", "The conformance suite")]
    if "suite/suite-upstream-tls" in ours:
        parts.append(suites(ours, theirs, "suite/suite-upstream-tls", "The suite with TLS to the backends"))
    parts += [runs(ours, theirs), own_tests(ours, theirs), restarts(ours, theirs)]
    target = places.HERE / "results.md"
    target.write_text("\n".join(part for part in parts if part))
    print(f"conformance: wrote {target}")


def head() -> str:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return (f"# Conformance results\n\nWritten by `conformance/run --results`, {os.cpu_count()} cores ({model}), "
            f"Linux {platform.release()}.\n")


def last(records: dict, key: str) -> dict:
    return (records.get(key) or [{}])[-1]


def suites(ours: dict, theirs: dict, key: str, title: str) -> str:
    a, b = last(ours, key), last(theirs, key)
    if not a and not b:
        return ""
    seconds = [{t["test"].split("/", 1)[-1]: t for t in record.get("top", [])} for record in (a, b)]
    lines = [f"## {title}", "", "The last run of each. Seconds are the suite's own; much of them is its waiting.", "",
             f"| test | {OURS} | | {THEIRS} | |", "|---|---|---|---|---|"]
    for name in sorted({*seconds[0], *seconds[1]}):
        cells = [f"{s[name]['result'].lower()} | {s[name]['seconds']:.2f}" if name in s else "| " for s in seconds]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def runs(ours: dict, theirs: dict) -> str:
    """Every run of the suite that is kept: one line each."""
    lines = ["## Every run", "",
             "Wall time, time from a KIngress generation to Ready, and what the gateway's process cost in that run. "
             "The load is the machine's own when the run began, in processes that want a core.", "",
             "| gateway | run | passed | wall s | Ready: median, p90, max | CPU s | peak MiB | load |",
             "|---|---|---|---|---|---|---|---|"]
    for name, records in ((OURS, ours), (THEIRS, theirs)):
        for key in ("suite/suite", "suite/suite-upstream-tls"):
            for number, record in enumerate(records.get(key, []), 1):
                spent, peak = cost(record)
                variant = " upstream TLS" if key.endswith("tls") else ""
                lines.append(f"| {name}{variant} | {number} | {count(record)} | {record['wall_s']} | "
                             f"{ready(record)} | {spent:.2f} | {peak:.1f} | {record['load']:.1f} |")
    return "\n".join(lines) + "\n"


def own_tests(ours: dict, theirs: dict) -> str:
    names = sorted({k for k in (*ours, *theirs) if k.startswith("own/")})
    if not names:
        return ""
    lines = ["## net-kourier's own tests", "", "Under the settings of its CI; names are those of `--own`.", "",
             f"| settings | {OURS} | s | {THEIRS} | s |", "|---|---|---|---|---|"]
    for key in names:
        cells = []
        for record in (last(ours, key), last(theirs, key)):
            cells.append(f"{count(record)} | {record['wall_s']}" if record else "|")
        lines.append(f"| {key[4:]} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def restarts(ours: dict, theirs: dict) -> str:
    names = sorted({k for k in (*ours, *theirs) if k.startswith("rolling/")})
    if not names:
        return ""
    lines = ["## Restarts under load", "",
             "Clients through the Service. Of HTTP/1.1: twelve that keep their connections, four that make one a request. Of "
             "h2c with three streams at once, of HTTP/1.1 over TLS and of HTTP/2 over TLS: four and one of each. Answered "
             "requests by protocol; an empty cell was not asked in that run.", "",
             "| gateway | what happens | HTTP/1.1 | h2c | TLS, HTTP/1.1 | TLS, HTTP/2 | connections | failed | slowest s | "
             "a later Ingress ready after s |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for name, records in ((OURS, ours), (THEIRS, theirs)):
        for key in names:
            if r := last(records, key):
                # Records of earlier days knew one protocol.
                answered = [saw["answers"].get("200", 0) for saw in r.get("kinds", {"HTTP/1.1": r}).values()]
                kinds = " | ".join(str(n) for n in answered + [""] * (4 - len(answered)))
                lines.append(f"| {name} | {r['what']} | {kinds} | {r['connections']} | {r['failed']} | "
                             f"{r['slowest_s']} | {r['later_ready_s']} |")
    return "\n".join(lines) + "\n"
