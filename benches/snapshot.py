#!/usr/bin/env python3
"""One large snapshot, Forebay and Envoy side by side: memory at rest, and how long a push of all routes takes to hold.

    cargo build --release -p forebay && cargo build --release -p forebay-xds-server --example snapshot
    benches/snapshot.py [--hosts 10000] [--pushes 10] [--envoy PATH]

Both get the same bootstrap and the same control plane (xds/server/examples/snapshot.rs). A push replaces the one route
configuration, in another order and with one host changed; it holds when `probe.test` answers with its number. Requests
to it go on all the while on one connection, and the longest one tells what a push costs those who only pass by.
"""
import argparse
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
SETTLE = 120  # seconds that a first snapshot may take


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def bootstrap(path, ads, admin):
    with open(path, "w") as f:
        f.write(f"""
node: {{id: snapshot, cluster: snapshot}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
dynamic_resources:
  ads_config:
    transport_api_version: V3
    api_type: GRPC
    grpc_services: [{{envoy_grpc: {{cluster_name: plane}}}}]
  cds_config: {{resource_api_version: V3, ads: {{}}}}
  lds_config: {{resource_api_version: V3, ads: {{}}}}
static_resources:
  clusters:
  - name: plane
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: plane
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {ads}}}}}}}}}]}}]
""")


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def first_answer(port):
    end = time.time() + SETTLE
    while time.time() < end:
        try:
            probe = Probe(port)
            if probe.ask()[0] == "0":
                return probe
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("the first snapshot never held")


def measure(name, command, hosts, pushes, home):
    ads, admin, port = free_port(), free_port(), free_port()
    config = os.path.join(home, f"{name}.yaml")
    bootstrap(config, ads, admin)
    example = os.path.join(TARGET, "release", "examples", "snapshot")
    plane = subprocess.Popen([example, f"127.0.0.1:{ads}", str(hosts), str(port)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    proxy = None
    try:
        assert plane.stdout.readline().strip() == "listening"
        began = time.time()
        proxy = subprocess.Popen(command + ["-c", config, "-l", "off", "--concurrency", "2"])
        probe = first_answer(port)
        first = time.time() - began
        time.sleep(2)
        quiet = max(probe.ask()[1] for _ in range(2000))
        rest = resident(proxy.pid)
        took, longest = [], 0.0
        for number in range(1, pushes + 1):
            plane.stdin.write("push\n")
            plane.stdin.flush()
            end = time.time() + SETTLE
            while True:
                text, ms = probe.ask()
                longest = max(longest, ms)
                if text == str(number):
                    break
                assert time.time() < end, "a push never held"
            held = time.time()
            _, micros, size = plane.stdout.readline().split()
            took.append((held - int(micros) / 1e6) * 1e3)
            time.sleep(0.2)
        took.sort()
        print(f"{name:8} first snapshot {first:5.2f} s, at rest {rest:6.1f} MiB, after {pushes} pushes "
              f"{resident(proxy.pid):6.1f} MiB; a push of {int(size) / 1e6:.1f} MB holds after {took[len(took) // 2]:.0f} ms "
              f"(worst {took[-1]:.0f}); longest request {quiet:.1f} ms without, {longest:.1f} ms with pushes", flush=True)
        return rest
    finally:
        for process in (proxy, plane):
            if process:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--hosts", type=int, default=10_000)
    arguments.add_argument("--pushes", type=int, default=10)
    arguments.add_argument("--envoy", help="path of an Envoy to compare with")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as home:
        forebay = [os.path.join(TARGET, "release", "forebay"), "gateway"]
        ours = measure("forebay", forebay, asked.hosts, asked.pushes, home)
        if asked.envoy:
            theirs = measure("envoy", [asked.envoy, "--use-dynamic-base-id"], asked.hosts, asked.pushes, home)
            print(f"memory at rest: {ours / theirs:.2f} of Envoy's")


if __name__ == "__main__":
    main()
