"""What each proxy is told: the same work, an access log in a file, keep-alive on both sides, the forwarding headers."""

import json
import pathlib
import resource

HOST = "hello.default.localhost"
TYPE = "type.googleapis.com/envoy."


def bootstrap(home: pathlib.Path, port: int, admin: int, backend: int, *, hosts: int, services: int, upstream: str, tls: str, matches: int, split: bool) -> str:
    """Envoy's, which Forebay takes as it is. `hosts` virtual hosts with its cluster stand beside the one that is asked, and
    `services` with a cluster each; before its route stand `matches` others that look at a header and do not fit; with `split`
    two clusters share the requests."""
    routes = [
        {"match": {"prefix": "/", "headers": [{"name": "x-tag", "string_match": {"exact": f"tag-{number}"}}]}, "route": {"cluster": "app", "timeout": "0s"}}
        for number in range(matches)
    ]
    to = {"weighted_clusters": {"clusters": [{"name": "app", "weight": 50}, {"name": "app2", "weight": 50}]}} if split else {"cluster": "app"}
    upgrades = [{"upgrade_type": "websocket"}]
    routes.append({"match": {"prefix": "/"}, "route": {**to, "timeout": "0s"}})
    named = [(f"s{number}", "app") for number in range(hosts)] + [(f"own{number}", f"own{number}") for number in range(services)]
    others = [
        {"name": name, "domains": [f"{name}.default.localhost"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": to, "timeout": "0s"}}]}
        for name, to in named
    ]
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "use_remote_address": True,
        "upgrade_configs": upgrades,
        "access_log": [{"name": "file", "typed_config": {"@type": TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": str(home / "access.log")}}],
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}}],
        "route_config": {"name": "routes", "virtual_hosts": [*others, {"name": "app", "domains": [HOST, f"{HOST}:*"], "routes": routes}]},
    }
    chain: dict = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        pair = {"certificate_chain": {"filename": str(home.parent / "tls.crt")}, "private_key": {"filename": str(home.parent / "tls.key")}}
        context = {"@type": TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]}}
        chain["transport_socket"] = {"name": "tls", "typed_config": context}
    static = {
        "listeners": [{"name": "gateway", "address": address(port), "filter_chains": [chain]}],
        "clusters": [
            cluster(name, backend, upstream)
            for name in (*(("app", "app2") if split else ("app",)), *(f"own{number}" for number in range(services)))
        ],
    }
    return json.dumps({"admin": {"address": address(admin)}, "static_resources": static})


def address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name: str, backend: int, upstream: str) -> dict:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}]
    # Envoy's defaults for these stand at 1,024, which is what `c=1024` and a thousand streams would run into.
    limits = {key: 100_000 for key in ("max_connections", "max_pending_requests", "max_requests", "max_retries")}
    found = {
        "name": name,
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }
    if upstream == "h2":
        options = {"@type": TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}
        found["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    return found


def descriptors() -> int:
    """How many files a proxy may open; two of these proxies want to be told."""
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 100_000)


def nginx(home: pathlib.Path, port: int, backend: int, tls: str) -> str:
    secure = f"ssl_certificate {home.parent}/tls.crt; ssl_certificate_key {home.parent}/tls.key; ssl_protocols TLSv1.2 TLSv1.3;" if tls else ""
    return f"""
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log error;
events {{ worker_connections {descriptors() - 100}; }}
http {{
  access_log {home}/access.log combined buffer=16k flush=1s;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  keepalive_requests 1000000000; tcp_nodelay on; client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
  upstream app {{ server 127.0.0.1:{backend}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} {"ssl" if tls else ""} backlog=4096; server_name {HOST}; {secure}
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"""


def haproxy(home: pathlib.Path, port: int, backend: int, upstream: str, tls: str, services: int) -> str:
    """Its log goes to standard output, which is a file here: it cannot write one itself."""
    secure = f"ssl crt {home.parent}/tls.pem alpn h2,http/1.1" if tls else ""
    own = "".join(f"backend own{number}\n  server app 127.0.0.1:{backend}\n" for number in range(services))
    hosts = home / "hosts.map"
    hosts.write_text("".join(f"own{number}.default.localhost own{number}\n" for number in range(services)))
    by_map = f"use_backend %[req.hdr(host),field(1,:),lower,map({hosts})] if {{ req.hdr(host),field(1,:),lower,map({hosts}) -m found }}" if services else ""
    return f"""
global
  maxconn {descriptors() // 2 - 100}
  nbthread 1
  log stdout format raw local0
  tune.ssl.default-dh-param 2048
defaults
  mode http
  log global
  option httplog
  option forwardfor
  # Without it each piece of a body waits up to 200 ms for the next one (MSG_MORE), which no other peer makes events do.
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend gateway
  bind 127.0.0.1:{port} backlog 4096 {secure}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto {"https" if tls else "http"}
  use_backend app if {{ hdr(host),field(1,:) -i {HOST} }}
  {by_map}
backend app
  server app 127.0.0.1:{backend} {"proto h2" if upstream == "h2" else ""}
{own}"""
