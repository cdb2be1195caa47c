"""h2spec, strictly: frames, streams, HPACK and messages of HTTP/2 towards the gateway, all of its cases."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile

from lib import FOREBAY, check, until

TOOLS = ["h2spec"]

API = "type.googleapis.com/envoy.extensions.filters"


def drill() -> str:
    app, port = free(), free()
    with tempfile.TemporaryDirectory(prefix="forebay-drill-") as home, contextlib.ExitStack() as stack:
        config = pathlib.Path(home) / "gateway.json"
        config.write_text(json.dumps(bootstrap(port, app)))
        stack.enter_context(started(FOREBAY, "sample", "hello", PORT=str(app)))
        stack.enter_context(started(FOREBAY, "gateway", "-c", str(config), "--concurrency", "1"))
        until("the app to listen", lambda: is_open(app))
        until("the gateway to listen", lambda: is_open(port))
        done = subprocess.run(
            ["h2spec", "-h", "127.0.0.1", "-p", str(port), "--strict", "-o", "5"], capture_output=True, text=True, timeout=600
        )
        found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
        check(found is not None, f"h2spec said: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        failures = done.stdout[done.stdout.find("Failures:"):]
        check(found[4] == "0" and int(found[2]) > 140, f"{found[0]}\n{failures}")
        return found[0]


@contextlib.contextmanager
def started(*command: str, **variables: str):
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def bootstrap(port: int, app: int) -> dict:
    """HTTP/2 without a look at what comes first: h2spec begins a connection wrongly as well."""
    address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "app"}}
    manager = {
        "@type": f"{API}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{API}.http.router.v3.Router"}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": address(app)}}
    cluster = {
        "name": "app",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {
        "static_resources": {
            "listeners": [{"name": "gateway", "address": address(port), "filter_chains": [chain]}],
            "clusters": [cluster],
        }
    }
