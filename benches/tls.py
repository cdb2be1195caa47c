#!/usr/bin/env python3
"""TLS per processor second, beside Envoy: handshakes and bulk bytes. Usage: benches/tls.py [--envoy PATH] [SECONDS]

Both gateways get the same bootstrap: a TLS listener with an ECDSA P-256 certificate, and one with RSA-2048, in front of an
nginx that has a large file. One worker each. `openssl s_time` makes new sessions one after the other, `curl` fetches the
file with AES-128-GCM over TLS 1.3. What is divided is the server's own processor time, so what the clients cost on the same
machine does not matter. Three rounds, in turn; the median counts. Nothing passes or fails here.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOREBAY = pathlib.Path(os.environ.get("FOREBAY_BIN", ROOT / "target/release/forebay"))
TICKS = os.sysconf("SC_CLK_TCK")
ROUNDS = 3
FILE_MIB = 256


def main() -> None:
    words = sys.argv[1:]
    envoy = words[words.index("--envoy") + 1] if "--envoy" in words else shutil.which("envoy")
    numbers = [word for word in words if re.fullmatch(r"\d+", word)]
    seconds = int(numbers[0]) if numbers else 4
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        certificates(home)
        backend = port()
        running = [nginx(home, backend)]
        try:
            peers = {}
            for name, command in {
                "forebay": [str(FOREBAY), "gateway"],
                "envoy": [envoy, "--base-id", "4711", "-l", "error"],
            }.items():
                if not command[0]:
                    continue
                ports = {"ecdsa": port(), "rsa": port(), "admin": port()}
                config = home / f"{name}.yaml"
                config.write_text(bootstrap(home, backend, ports))
                with open(home / f"{name}.log", "w") as log:
                    process = subprocess.Popen([*command, "-c", str(config), "--concurrency", "1"], stdout=log, stderr=log)
                running.append(process)
                peers[name] = (process.pid, ports)
                ready(ports)
            table(peers, seconds)
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def table(peers: dict, seconds: int) -> None:
    """Runs everything and prints one line a measurement."""
    cases = {
        "handshakes, TLS 1.3, ECDSA P-256": lambda ports: handshakes(ports["ecdsa"], "-tls1_3", seconds),
        "handshakes, TLS 1.2, ECDSA P-256": lambda ports: handshakes(ports["ecdsa"], "-tls1_2", seconds),
        "handshakes, TLS 1.3, RSA 2048": lambda ports: handshakes(ports["rsa"], "-tls1_3", seconds),
        # Of TLS 1.3 it makes new ones all the same: it leaves before the ticket has come.
        "resumed handshakes, TLS 1.2": lambda ports: handshakes(ports["ecdsa"], "-tls1_2", seconds, "-reuse"),
        "MiB down, AES-128-GCM": lambda ports: bulk(ports["ecdsa"]),
        "MiB up, AES-128-GCM": lambda ports: upload(ports["ecdsa"]),
    }
    print("| per processor second | " + " | ".join(peers) + " | ratio |")
    print("|---|" + "---|" * (len(peers) + 1))
    for title, case in cases.items():
        rates: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(ROUNDS):
            for name, (pid, ports) in peers.items():
                before = used(pid)
                done = case(ports)
                rates[name].append(done / max(used(pid) - before, 1 / TICKS))
        middle = {name: statistics.median(all) for name, all in rates.items()}
        ratio = f"{middle['forebay'] / middle['envoy']:.2f}" if "envoy" in middle else ""
        print(f"| {title} | " + " | ".join(f"{value:,.0f}" for value in middle.values()) + f" | {ratio} |", flush=True)


def handshakes(to: int, version: str, seconds: int, which: str = "-new") -> int:
    """Connections with new sessions or with one that is resumed, one after the other from two clients; how many there were."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{to}", which, version, "-time", str(seconds)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    outputs = [client.communicate(timeout=seconds + 30)[0] for client in clients]
    # "N connections in X real seconds, 0 bytes read per connection"
    return sum(int(re.search(r"(\d+) connections in \d+ real seconds", output).group(1)) for output in outputs)


CURL = ["curl", "-sk", "--http1.1", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--max-time", "120", "-o", "/dev/null"]


def bulk(to: int) -> int:
    for _ in range(4):
        subprocess.run([*CURL, f"https://127.0.0.1:{to}/large"], check=True)
    return 4 * FILE_MIB


def upload(to: int) -> int:
    body = subprocess.Popen(["head", "-c", str(FILE_MIB << 20), "/dev/zero"], stdout=subprocess.PIPE)
    subprocess.run([*CURL, "-T", "-", f"https://127.0.0.1:{to}/upload"], stdin=body.stdout, check=True)
    body.wait()
    return FILE_MIB


def used(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ready(ports: dict) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['admin']}/ready", timeout=1):
                pass
            for name in ("ecdsa", "rsa"):
                socket.create_connection(("127.0.0.1", ports[name]), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def certificates(home: pathlib.Path) -> None:
    for name, kind in {"ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}.items():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", "/CN=a.test", "-days", "30",
             "-keyout", home / f"{name}.key", "-out", home / f"{name}.crt"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )


def nginx(home: pathlib.Path, at: int) -> subprocess.Popen:
    with open(home / "large", "wb") as large:
        large.truncate(FILE_MIB << 20)
    (home / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{}}
http {{
  access_log off; sendfile on; client_max_body_size 0; client_body_temp_path {home}; proxy_temp_path {home};
  fastcgi_temp_path {home}; uwsgi_temp_path {home}; scgi_temp_path {home};
  server {{
    listen 127.0.0.1:{at};
    location /large {{ root {home}; }}
    location /upload {{ proxy_request_buffering off; proxy_pass http://127.0.0.1:{at}/taken; }}
    location /taken {{ return 204; }}
  }}
}}
""")
    home.chmod(0o755)
    return subprocess.Popen(["nginx", "-c", str(home / "nginx.conf"), "-e", str(home / "nginx.log")])


def bootstrap(home: pathlib.Path, backend: int, ports: dict) -> str:
    types = "type.googleapis.com/envoy.extensions"
    manager = f"""{{name: http, typed_config: {{"@type": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: tls, http_filters: [{{name: router, typed_config: {{"@type": {types}.filters.http.router.v3.Router}}}}], route_config: {{name: all, virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: backend, timeout: 0s}}}}]}}]}}}}}}"""
    listeners = "".join(f"""
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {ports[name]}}}}}
    filter_chains:
    - filters: [{manager}]
      transport_socket:
        name: tls
        typed_config:
          "@type": {types}.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{tls_minimum_protocol_version: TLSv1_2}}
            tls_certificates: [{{certificate_chain: {{filename: {home}/{name}.crt}}, private_key: {{filename: {home}/{name}.key}}}}]""" for name in ("ecdsa", "rsa"))
    return f"""
node: {{id: bench, cluster: bench}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {ports['admin']}}}}}}}
static_resources:
  listeners:{listeners}
  clusters:
  - name: backend
    type: STATIC
    connect_timeout: 1s
    load_assignment: {{cluster_name: backend, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]}}
"""


if __name__ == "__main__":
    main()
