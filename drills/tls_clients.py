"""curl and openssl at a gateway with TLS and PROXY listeners: names, protocols, versions, alerts, tickets, garbage."""

import pathlib
import socket
import subprocess
import tempfile
import time

from lib import FOREBAY, check, run

TOOLS = ["curl", "openssl"]
TYPES = "type.googleapis.com/envoy.extensions"


def drill() -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        for name in ("a", "b"):
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", f"/CN={name}.test", "-addext", f"subjectAltName=DNS:{name}.test", "-days", "30",
                "-keyout", str(home / f"{name}.key"), "-out", str(home / f"{name}.crt"))
        tls, proxied, admin = free(), free(), free()
        (home / "gateway.yaml").write_text(bootstrap(home, tls, proxied, admin))
        with open(home / "log", "w") as log:
            gateway = subprocess.Popen([FOREBAY, "gateway", "-c", str(home / "gateway.yaml")], stdout=log, stderr=log)
        try:
            listening(tls, gateway, home)
            curls(home, tls, proxied)
            openssls(tls)
            garbage(tls, proxied)
        finally:
            gateway.terminate()
            gateway.wait(10)
    return "names, ALPN, versions, alerts and tickets by openssl; --resolve and --haproxy-protocol by curl; garbage closed"


def curls(home: pathlib.Path, tls: int, proxied: int) -> None:
    for name in ("a", "b"):
        for version, says in (("--http1.1", "1.1"), ("--http2", "2")):
            said = run("curl", "-sS", "--fail", "--max-time", "10", version, "--cacert", str(home / f"{name}.crt"),
                       "--resolve", f"{name}.test:{tls}:127.0.0.1", "-w", "%{http_version}", f"https://{name}.test:{tls}/")
            check(said == f"hello\n{says}", f"curl {version} {name}.test: {said!r}")
    said = run("curl", "-sS", "--fail", "--max-time", "10", "--haproxy-protocol", f"http://127.0.0.1:{proxied}/")
    check(said == "hello\n", f"curl --haproxy-protocol: {said!r}")
    lost = subprocess.run(["curl", "-sS", "--max-time", "10", f"http://127.0.0.1:{proxied}/"], capture_output=True, check=False)
    check(lost.returncode in (52, 56), f"curl without a PROXY header ended with {lost.returncode}")


def openssls(tls: int) -> None:
    good = client(tls, "-servername", "a.test", "-alpn", "h2,http/1.1")
    check("ALPN protocol: h2" in good and "TLSv1.3" in good, good)
    check("CN = b.test" in client(tls, "-servername", "B.test"), "a name in capitals is the same name")
    # What Envoy 1.40 answers to the same.
    for words, alert in {
        ("-servername", "a.test", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"): "fatal protocol_version",
        ("-servername", "a.test", "-tls1_2", "-cipher", "AES128-SHA"): "fatal handshake_failure",
        ("-servername", "a.test", "-groups", "P-384"): "fatal handshake_failure",
        ("-servername", "a.test", "-tls1_3", "-sigalgs", "RSA-PSS+SHA256"): "fatal handshake_failure",
    }.items():
        said = client(tls, "-msg", *words)
        check(f"Alert [length 0002], {alert}" in said, f"openssl {' '.join(words)}: {said}")
    unknown = client(tls, "-msg", "-servername", "c.test")
    check("<<< TLS" not in unknown and "Cipher is (NONE)" in unknown, unknown)
    stranger = client(tls, "-servername", "a.test", "-alpn", "foo")
    check("No ALPN negotiated" in stranger and "Cipher is TLS" in stranger, stranger)
    again = client(tls, "-servername", "a.test", "-tls1_2", "-reconnect")
    check(again.count("Reused, TLSv1.2") == 5, f"sessions are resumed: {again}")


def garbage(tls: int, proxied: int) -> None:
    for to, data in ((tls, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"), (tls, bytes(range(256))), (proxied, bytes(range(256))),
                     (proxied, b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n")):
        with socket.create_connection(("127.0.0.1", to), 5) as stream:
            stream.sendall(data)
            stream.settimeout(5)
            try:
                said = stream.recv(100)
            except ConnectionResetError:
                said = b""
            check(said == b"", f"garbage was answered with {said!r}")


def client(to: int, *words: str) -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{to}", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
    return done.stdout.decode(errors="replace")


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(to: int, gateway: subprocess.Popen, home: pathlib.Path) -> None:
    until = time.monotonic() + 10
    while True:
        check(gateway.poll() is None, f"the gateway ended: {(home / 'log').read_text()}")
        try:
            socket.create_connection(("127.0.0.1", to), 1).close()
            return
        except OSError:
            check(time.monotonic() < until, f"nobody listens: {(home / 'log').read_text()}")
            time.sleep(0.05)


def bootstrap(home: pathlib.Path, tls: int, proxied: int, admin: int) -> str:
    manager = f"""[{{name: http, typed_config: {{"@type": {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: tls, http_filters: [{{name: router, typed_config: {{"@type": {TYPES}.filters.http.router.v3.Router}}}}], route_config: {{name: all, virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, direct_response: {{status: 200, body: {{inline_string: "hello\\n"}}}}}}]}}]}}}}}}]"""
    chains = "".join(f"""
    - filter_chain_match: {{server_names: [{name}.test]}}
      filters: {manager}
      transport_socket:
        name: tls
        typed_config:
          "@type": {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{tls_minimum_protocol_version: TLSv1_2, cipher_suites: [""]}}
            tls_certificates: [{{certificate_chain: {{filename: {home}/{name}.crt}}, private_key: {{filename: {home}/{name}.key}}}}]"""
                     for name in ("a", "b"))
    return f"""
node: {{id: drill, cluster: drill}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: tls
    address: {{socket_address: {{address: 127.0.0.1, port_value: {tls}}}}}
    listener_filters: [{{name: tls_inspector, typed_config: {{"@type": {TYPES}.filters.listener.tls_inspector.v3.TlsInspector}}}}]
    filter_chains:{chains}
  - name: proxied
    address: {{socket_address: {{address: 127.0.0.1, port_value: {proxied}}}}}
    listener_filters: [{{name: proxy_protocol, typed_config: {{"@type": {TYPES}.filters.listener.proxy_protocol.v3.ProxyProtocol}}}}]
    filter_chains: [{{filters: {manager}}}]
"""
