#!/usr/bin/env python3
"""Spans of forebay and of a real Envoy, started with the same bootstrap and asked the same: one collector reads both.

Needs: a built forebay (`--forebay PATH`, $FOREBAY, or target/release/forebay), Python 3.9+, and Envoy 1.40 (`--envoy PATH`).
Everything listens on loopback; every process is ended by its id.
"""
import argparse, http.client, http.server, json, os, pathlib, socket, struct, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds for anything to happen
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
ID = "125f7a56-52cb-4d7c-8b9c-b5b0d3ea7d2c"

# What is asked: name, method, path, headers, body.
REQUESTS = [
    ("plain", "GET", "/x?y=1", {"user-agent": "ua"}, None),
    ("goes on", "GET", "/on", {"traceparent": CALLER + "1", "tracestate": "a=b", "baggage": "k=v"}, None),
    ("nobody keeps it", "GET", "/off", {"traceparent": CALLER + "0"}, None),
    ("unreadable", "GET", "/bad", {"traceparent": "bad"}, None),
    ("a known id", "GET", "/id", {"x-request-id": ID}, None),
    ("no id at all", "GET", "/garbage", {"x-request-id": "garbage"}, None),
    ("the client asks", "GET", "/asks", {"x-client-trace-id": "c"}, None),
    ("a tag's header", "GET", "/tag", {"x-h": "hh"}, None),
    ("a body", "POST", "/body", {}, b"abc"),
    ("503 of the endpoint", "GET", "/503", {}, None),
    ("404 of the endpoint", "GET", "/404", {}, None),
    ("nobody there", "GET", "/gone", {}, None),
    ("no endpoint", "GET", "/none", {}, None),
    ("a reply of its own", "GET", "/direct", {}, None),
    ("a long path", "GET", "/" + "p" * 400, {}, None),
]
# Ids, times, ports and who speaks differ by nature.
FREE = {"guid:x-request-id", "node_id"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, check):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if (found := check()):
                return found
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    raise SystemExit(f"FAILED: waited in vain for {what}")


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(handler, **facts):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    vars(server).update(facts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Endpoint(Quiet):
    """Says what it was told of the trace."""

    def do_GET(self):
        self.body()
        status = int(self.path[1:4]) if self.path[1:4].isdigit() else 200
        told = {name: self.headers.get(name) for name in ("traceparent", "tracestate", "baggage", "x-request-id")}
        self.answer(status, json.dumps(told).encode())

    do_POST = do_GET


class Collector(Quiet):
    def do_POST(self):
        body = self.body()
        with self.server.lock:
            self.server.spans += spans(body)
        self.answer(200, b"")


# The wire format, as much of it as spans need.
def fields(data):
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        else:
            size = {1: 8, 5: 4}.get(kind) or varint()
            value = data[at:at + size]
            at += size
            if kind in (1, 5):
                value = struct.unpack("<Q" if kind == 1 else "<I", value)[0]
        yield key >> 3, value


def every(data, number):
    return [value for field, value in fields(data) if field == number]


def attribute(data):
    key, value = dict(fields(data)).get(1, b""), dict(fields(data)).get(2, b"")
    return key.decode(), "".join(v.decode() for v in every(value, 1))


def spans(request):
    found = []
    for resource in every(request, 1):
        service = dict(attribute(a) for a in every(every(resource, 1)[0], 1))["service.name"]
        for scope in every(resource, 2):
            for data in every(scope, 2):
                known = dict(fields(data))
                found.append({
                    "service": service, "trace": known[1].hex(), "id": known[2].hex(), "state": known.get(3, b"").decode(),
                    "parent": known.get(4, b"").hex(), "name": known[5].decode(), "kind": known[6], "flags": known.get(16, 0),
                    "attributes": dict(attribute(a) for a in every(data, 9)),
                    "events": [dict(fields(e))[2].decode() for e in every(data, 11)],
                    "status": dict(fields(known[15])).get(3, 0) if 15 in known else 0,
                    "whole": known[8] >= known[7],
                })
    return found


def config(port, admin, endpoint, collector, extra):
    typed = lambda kind, **rest: {"@type": "type.googleapis.com/envoy." + kind, **rest}
    address = lambda p: {"socket_address": {"address": "127.0.0.1", "port_value": p}}
    cluster = lambda name, *ports: {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in ports]}]}}
    to = lambda prefix, name: {"match": {"prefix": prefix}, "route": {"cluster": name}}
    provider = typed("config.trace.v3.OpenTelemetryConfig", service_name="kourier-knative", http_service={
        "http_uri": {"uri": f"http://127.0.0.1:{collector}/v1/traces", "cluster": "otel", "timeout": "5s"}})
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="ingress_http",
        tracing={"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider}, **extra},
        route_config={"name": "all", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            to("/none", "none"), to("/gone", "gone"),
            {"match": {"prefix": "/direct"}, "direct_response": {"status": 403, "body": {"inline_string": "refused"}}},
            to("/", "endpoint")]}]},
        http_filters=[{"name": "envoy.filters.http.router",
                       "typed_config": typed("extensions.filters.http.router.v3.Router")}])
    return {
        "node": {"id": "drill", "cluster": "drill"}, "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{"name": "l", "address": address(port), "filter_chains": [{"filters": [
                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
            "clusters": [cluster("endpoint", endpoint), cluster("otel", collector), cluster("gone", 1), cluster("none")]}}


def run(command, extra):
    """What each request's endpoint was told, and its spans, by its path."""
    collector = serve(Collector, spans=[], lock=threading.Lock())
    endpoint = serve(Endpoint)
    port, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as home:
        path = pathlib.Path(home) / "bootstrap.json"
        path.write_text(json.dumps(config(port, admin, endpoint.server_address[1], collector.server_address[1], extra)))
        process = subprocess.Popen([*command, "-c", str(path), "--concurrency", "1", "--log-level", "error"])
        try:
            def ready():
                connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=5)
                connection.request("GET", "/ready")
                return connection.getresponse().status == 200
            until("it to be ready", ready)
            told = {}
            for _, method, path, headers, body in REQUESTS:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request(method, path, body, headers={"host": "drill.test", **headers})
                answer = connection.getresponse()
                text = answer.read()
                told[path] = (answer.status, json.loads(text) if text.startswith(b"{") else None)
                connection.close()
            # Envoy and forebay send what is left after five seconds.
            seen = -1
            while len(collector.spans) != seen:
                seen = len(collector.spans)
                time.sleep(6.5)
            return told, list(collector.spans)
        finally:
            process.kill()
            process.wait()
            for server in (collector, endpoint):
                server.shutdown()
                server.server_close()


def told_shape(told):
    """A request's trace as its endpoint saw it, random ids taken out."""
    status, seen = told
    if seen is None:
        return status
    parent = seen["traceparent"] or ""
    if len(parent) == 55:
        parent = (parent[3:35] if parent[3:35] == CALLER[3:35] else "new", "new span", parent[-2:])
    reason = (seen["x-request-id"] or "")[14:15]
    # Envoy sends an empty tracestate where there is none; forebay sends none.
    return status, parent, seen["tracestate"] or None, seen["baggage"], reason


def span_shape(span, spans):
    attributes = {k: v for k, v in span["attributes"].items() if k not in FREE}
    for name in ("upstream_address", "peer.address"):
        if ":" in attributes.get(name, ""):
            attributes[name] = "an endpoint"
    # The body of an answer of its own has no fixed length: it names what it was.
    if span["attributes"].get("upstream_cluster") in ("endpoint", "gone"):
        attributes.pop("response_size", None)
    return {
        "service": span["service"], "name": span["name"], "kind": span["kind"], "flags": span["flags"],
        "status": span["status"], "state": span["state"], "events": sorted(span["events"]), "whole": span["whole"],
        "trace": "caller's" if span["trace"] == CALLER[3:35] else "new",
        "parent": "caller" if span["parent"] == CALLER[36:52] else
                  "own" if any(s["id"] == span["parent"] for s in spans) else "" if not span["parent"] else "?",
        "attributes": attributes}


def compare(name, envoy, forebay, allowed):
    wrong = 0
    for label, _, path, _, _ in REQUESTS:
        ours, theirs = told_shape(forebay[0][path]), told_shape(envoy[0][path])
        if ours != theirs:
            wrong += 1
            print(f"  DIFFERS {name}: {label}: upstream was told\n    envoy   {theirs}\n    forebay {ours}")
    by = lambda spans: sorted((json.dumps(span_shape(s, spans), sort_keys=True) for s in spans))
    theirs, ours = by(envoy[1]), by(forebay[1])
    for shape in allowed(theirs, ours):
        wrong += 1
        print(f"  DIFFERS {name}: {shape}")
    print(f"  {'ok ' if not wrong else 'NOT ok'} {name}: {len(ours)} spans, envoy's {len(theirs)}; {len(REQUESTS)} requests")
    return wrong


def multiset_difference(theirs, ours):
    rest = list(ours)
    for shape in theirs:
        if shape in rest:
            rest.remove(shape)
        else:
            yield f"only envoy   {shape}"
    for shape in rest:
        yield f"only forebay {shape}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", default=os.environ.get("ENVOY"), required="ENVOY" not in os.environ)
    parser.add_argument("--forebay", default=os.environ.get("FOREBAY", str(ROOT / "target/release/forebay")))
    args = parser.parse_args()
    tags = [{"tag": "lit", "literal": {"value": "v"}}, {"tag": "hdr", "request_header": {"name": "x-h", "default_value": "d"}},
            {"tag": "env", "environment": {"name": "NO_SUCH_VARIABLE", "default_value": "e"}}]
    cases = {
        "everything": {},
        "nothing": {"overall_sampling": {"value": 0}},
        "a share": {"random_sampling": {"value": 71.27}},
        "a smaller share": {"random_sampling": {"value": 71.26}, "overall_sampling": {"value": 100}},
        "tags and events": {"custom_tags": tags, "max_path_tag_length": 10, "verbose": True},
        "the call upstream": {"spawn_upstream_span": True, "custom_tags": tags},
    }
    wrong = 0
    for index, (name, extra) in enumerate(cases.items()):
        if "share" in name:
            # Only the request whose id is known is decided alike by both; the others have ids of their own.
            kept = list(REQUESTS)
            REQUESTS[:] = [request for request in kept if request[0] in ("a known id", "no id at all")]
        envoy = run([args.envoy, "--base-id", str(4000 + index)], extra)
        forebay = run([args.forebay, "gateway"], extra)
        wrong += compare(name, envoy, forebay, multiset_difference)
        if "share" in name:
            REQUESTS[:] = kept
    print("drill passed" if not wrong else f"drill FAILED: {wrong} differences")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
