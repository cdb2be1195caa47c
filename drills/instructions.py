"""What a warm request costs the gateway and the queue-proxy in instructions of its own, counted by valgrind: no clock, so a busy machine says the same.

Two runs that differ by a number of requests are subtracted, so that neither the start nor the end counts."""

import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile

from lib import FOREBAY, check, run, until

TOOLS = ["h2load", "valgrind"]

# Name → h2load's words, the upstream's protocol, instructions at most. A tenth above what was measured, for other compilers
# and libraries; whoever makes a request cheaper lowers its bound.
WORKS = {
    "h1 → h1": (["--h1", "-c", "8"], "h1", 22_400),
    "h2 → h1": (["-c", "4", "-m", "8"], "h1", 30_100),
    "h2 → h2": (["-c", "4", "-m", "8"], "h2", 34_800),
}
# The same of a queue-proxy, at one stream for each connection.
SIDECAR = {
    "queue-proxy, h1": (["--h1", "-c", "8"], 14_000),
    "queue-proxy, h2c": (["-c", "8", "-m", "1"], 23_300),
}
FEW, MANY = 1_000, 4_000
TYPES = "type.googleapis.com/envoy.extensions"


def drill() -> str:
    found = {}
    gateways = {work: (words, gateway(upstream), most) for work, (words, upstream, most) in WORKS.items()}
    sidecars = {work: (words, queue_proxy, most) for work, (words, most) in SIDECAR.items()}
    for work, (words, role, most) in {**gateways, **sidecars}.items():
        with tempfile.TemporaryDirectory() as folder:
            few, many = (counted(pathlib.Path(folder), words, role, requests) for requests in (FEW, MANY))
        found[work] = (many - few) // (MANY - FEW)
        check(found[work] <= most, f"{work}: {found[work]:,} instructions a request, {most:,} is the bound")
    return ", ".join(f"{work}: {count:,}" for work, count in found.items())


def gateway(upstream: str):
    def command(home: pathlib.Path, app: int, port: int) -> tuple[list, dict]:
        (home / "gateway.json").write_text(bootstrap(home, app, port, free(), upstream))
        return ["gateway", "-c", str(home / "gateway.json"), "--concurrency", "1", "--log-level", "error"], {}

    return command


def queue_proxy(_: pathlib.Path, app: int, port: int) -> tuple[list, dict]:
    told = json.loads((pathlib.Path(__file__).resolve().parent.parent / "conformance/queue/environment.json").read_text())
    own = {"USER_PORT": str(app), "QUEUE_SERVING_PORT": str(port), "FOREBAY_QUEUE_ADMIN_PORT": "0", "FOREBAY_QUEUE_STATS_PORT": "0",
           "FOREBAY_QUEUE_ADDRESS": "127.0.0.1", "FOREBAY_QUEUE_QUIET": "0s", "FOREBAY_QUEUE_CERTIFICATES": "/nonexistent"}
    return ["queue-proxy"], {**told, **own, "PATH": os.environ["PATH"]}


def counted(home: pathlib.Path, words: list[str], role, requests: int) -> int:
    """Instructions of a proxy's life with that many requests."""
    app, port = free(), free()
    command, environment = role(home, app, port)
    proxy = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--read-inline-info=no", FOREBAY, *command]
    with open(home / "app.log", "w") as app_log, open(home / "log", "w") as log:
        backend = subprocess.Popen([FOREBAY, "sample", "hello"], env={"PORT": str(app)}, stdout=app_log, stderr=app_log)
        counting = subprocess.Popen(proxy, env=environment or None, stdout=log, stderr=log)
        try:
            for where in (app, port):
                until(f"port {where}", lambda: answers(where, counting, home))
            said = run("h2load", "-t", "1", "-n", str(requests), *words, f"http://127.0.0.1:{port}/")
            check(f"{requests} succeeded" in said, f"h2load: {said}")
        finally:
            counting.terminate()
            counting.wait(60)
            backend.terminate()
            backend.wait(10)
    collected = re.search(r"Collected : (\d+)", (home / "log").read_text())
    check(collected is not None, f"valgrind said: {(home / 'log').read_text()[-500:]}")
    return int(collected[1])


def answers(port: int, proxy: subprocess.Popen, home: pathlib.Path) -> bool:
    check(proxy.poll() is None, f"the proxy ended: {(home / 'log').read_text()[-500:]}")
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def bootstrap(home: pathlib.Path, app: int, port: int, admin: int, upstream: str) -> str:
    """Everything that is on in production: an access log in a file, the client's address, statistics."""
    address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    cluster = {
        "name": "app",
        "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(app)}}]}]},
    }
    if upstream == "h2":
        options = {"@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    log = {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": str(home / "access.log")}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "use_remote_address": True,
        "access_log": [{"name": "file", "typed_config": log}],
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app", "timeout": "0s"}}]},
        ]},
    }
    listener = {"name": "gateway", "address": address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    return json.dumps({"admin": {"address": address(admin)}, "static_resources": {"listeners": [listener], "clusters": [cluster]}})
