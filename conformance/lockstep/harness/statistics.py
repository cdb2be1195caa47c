"""Are the statistics that the README lists there, under Envoy's names and labels?

Starts Forebay and Envoy 1.40 with one configuration of files, sends both some requests, and compares what /stats and
/stats/prometheus show: every name of the README's table has to be in both, and what Forebay shows besides has to be Envoy's as
well, unless it has `forebay` in its name. Ends with 1 if something is missing.
"""

import fnmatch
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
API = "type.googleapis.com/envoy."
# What Envoy shows only where it is switched on or has happened; Forebay shows it always.
RARE = {"*.ext_authz.*", "*.rbac.*", "*.ssl.*", "*.proxy_proto.*", "*.http2.keepalive_timeout", "*.upstream_rq_[13]xx",
        "*.upstream_rq_drop_overload", "control_plane.*", "tracing.opentelemetry.*"}


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(int(self.path.strip("/") or 200))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def configured(home: pathlib.Path, backend: int) -> tuple[pathlib.Path, int, int]:
    """The bootstrap, the port of its listener and that of its admin pages."""
    port, admin = free(), free()
    files = {
        "rds": {"@type": API + "config.route.v3.RouteConfiguration", "name": "routes", "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "one"}}]}]},
        "cds": {"@type": API + "config.cluster.v3.Cluster", "name": "one", "type": "STATIC", "connect_timeout": "1s",
                "load_assignment": {"cluster_name": "one", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}]}},
        "lds": {"@type": API + "config.listener.v3.Listener", "name": "front", "address": address(port), "filter_chains": [
            {"filters": [{"name": "hcm", "typed_config": {
                "@type": API + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "ingress_http",
                "rds": {"route_config_name": "routes", "config_source": {
                    "resource_api_version": "V3", "path_config_source": {"path": str(home / "rds.json")}}},
                "http_filters": [{"name": "router", "typed_config": {
                    "@type": API + "extensions.filters.http.router.v3.Router"}}]}}]}]},
    }
    for name, resource in files.items():
        (home / f"{name}.json").write_text(json.dumps({"version_info": "1", "resources": [resource]}))
    source = lambda name: {"resource_api_version": "V3", "path_config_source": {"path": str(home / f"{name}.json")}}
    bootstrap = home / "bootstrap.json"
    bootstrap.write_text(json.dumps({
        "node": {"id": "statistics", "cluster": "lockstep"}, "admin": {"address": address(admin)},
        "dynamic_resources": {"cds_config": source("cds"), "lds_config": source("lds")}}))
    return bootstrap, port, admin


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code
    except OSError:
        return 0


def shown(program: list[str], backend: int) -> tuple[set[str], dict[str, set[str]]]:
    """Names of all statistics, and the labels of those that Prometheus is told."""
    with tempfile.TemporaryDirectory() as directory:
        bootstrap, port, admin = configured(pathlib.Path(directory), backend)
        words = ["-c", str(bootstrap), "--base-id", str(os.getpid() % 30000 + 1), "--log-level", "error", "--concurrency", "1"]
        with open(pathlib.Path(directory) / "log", "w") as log:
            process = subprocess.Popen([*program, *words], stdout=log, stderr=log)
        try:
            end = time.monotonic() + 30
            while status(f"http://127.0.0.1:{port}/") != 200:
                if time.monotonic() > end or process.poll() is not None:
                    sys.exit(f"{program[0]} does not serve:\n{(pathlib.Path(directory) / 'log').read_text()}")
                time.sleep(0.1)
            for path in ("", "404", "503"):
                status(f"http://127.0.0.1:{port}/{path}")
            read = lambda path: urllib.request.urlopen(f"http://127.0.0.1:{admin}{path}", timeout=5).read().decode()
            # Numbers of workers, and histograms most of all, come a little after what they count.
            while not re.search(r"^cluster.one.upstream_rq_time: (?!No)", read("/stats"), re.M) and time.monotonic() < end:
                time.sleep(0.2)
            names = {line.split(": ", 1)[0].replace(f"127.0.0.1_{port}", "ADDRESS")
                     for line in read("/stats").splitlines() if ": " in line}
            metrics = {}
            for line in read("/stats/prometheus?text_readouts").splitlines():
                if found := re.match(r"(\w+)\{(.*)\} \S+$", line):
                    metrics.setdefault(found[1], set()).update(re.findall(r'(\w+)="', found[2]))
            return names, metrics
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def listed(known: set[str]) -> list[str]:
    """The patterns of README's table. `_x` stands for the name before it with another end."""
    table = REPOSITORY.joinpath("README.md").read_text().split("### Statistics", 1)[1].split("Forebay's own have", 1)[0]
    patterns = []
    for row in re.findall(r"^\| (.*?) \| (.*) \|$", table, re.M):
        if row[0] in ("family", "---"):
            continue
        families = [re.sub(r"<\w+>", "*", name) for name in re.findall(r"`([^`]+)`", row[0])] or [""]
        before = ""
        # What stands in parentheses explains.
        for name in re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", row[1])):
            stem = before
            while name.startswith("_") and stem:
                stem = stem.rpartition("_")[0]
                if any(fnmatch.filter(known, family + stem + name) for family in families):
                    break
            if not name.startswith("_"):
                before = name
            whole = (stem if name.startswith("_") else "") + name
            patterns.append([family + whole for family in families])
    # A row of two families has each name in one of them.
    return [next((one for one in several if fnmatch.filter(known, one)), several[0]) for several in patterns]


def is_rare(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in RARE)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (our_names, our_metrics), (their_names, their_metrics) = (
        shown(program, server.server_port) for program in ([os.environ["FOREBAY"], "gateway"], [os.environ["ENVOY"]]))
    wrong = []
    patterns = listed(our_names | their_names)
    for pattern in patterns:
        for who, names in (("Forebay", our_names), ("Envoy", their_names)):
            rare = who == "Envoy" and is_rare(pattern)
            if not fnmatch.filter(names, pattern) and not rare:
                wrong.append(f"README lists {pattern}, which {who} does not show")
    for name in sorted(our_names - their_names):
        if "forebay" not in name and not is_rare(name):
            wrong.append(f"Forebay shows {name}, which Envoy does not know")
    for name, labels in sorted(our_metrics.items()):
        if "forebay" in name:
            continue
        # Those that Envoy does not show have been told by their plain names.
        if name in their_metrics and labels != their_metrics[name]:
            wrong.append(f"Prometheus: {name} has labels {sorted(labels)}, Envoy's {sorted(their_metrics[name])}")
    print(*wrong, sep="\n")
    print(f"{len(patterns)} names of the README, {len(our_names & their_names)} of {len(our_names)} statistics and "
          f"{len(our_metrics.keys() & their_metrics.keys())} of {len(our_metrics)} metrics under Envoy's names; {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
