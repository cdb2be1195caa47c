"""From case files to Envoy's resources: what every file shares is filled in here, the rest is as the file has it."""

import copy
import re

HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
FILE_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
H2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DOWN_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"

# The first column finds the connection; the rest is compared.
LOG = [
    "code=%RESPONSE_CODE%", "flags=%RESPONSE_FLAGS%", "details=%RESPONSE_CODE_DETAILS%", "protocol=%PROTOCOL%",
    "method=%REQ(:METHOD)%", "path=%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "authority=%REQ(:AUTHORITY)%",
    "received=%BYTES_RECEIVED%", "sent=%BYTES_SENT%", "route=%ROUTE_NAME%", "cluster=%UPSTREAM_CLUSTER%",
    "host=%UPSTREAM_HOST%", "attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "failure=%UPSTREAM_TRANSPORT_FAILURE_REASON%", "termination=%CONNECTION_TERMINATION_DETAILS%",
    "remote=%DOWNSTREAM_REMOTE_ADDRESS%",
]


class Snapshot:
    """One side's resources for a group of files."""

    def __init__(self, ip: str, ports: dict, logs, certificates):
        self.ip, self.ports, self.logs, self.certificates = ip, ports, logs, certificates
        self.listeners, self.clusters, self.bootstrap = [], [], {}

    def add(self, file) -> None:
        words = file.words
        for name, backend in backends(words).items():
            if f"${name}" not in [cluster["name"] for cluster in words.get("clusters", [])]:
                self._cluster(file, {"name": f"${name}", "to": name, "h2": (backend or {}).get("protocol") == "h2"})
        for cluster in words.get("clusters", []):
            self._cluster(file, cluster)
        for name, listener in listeners(words).items():
            self._listener(file, name, listener)
        if "bootstrap" in words:
            merge(self.bootstrap, self._fill(file, words["bootstrap"]))

    def _cluster(self, file, words: dict) -> None:
        words = dict(words)
        to, h2 = words.pop("to", None), words.pop("h2", False)
        cluster = {"connect_timeout": "1s", "type": "STATIC"}
        if to is not None:
            ports = [f"$port.{one}" for one in (to if isinstance(to, list) else [to])]
            ends = [{"endpoint": {"address": _address(port)}} for port in ports]
            cluster["load_assignment"] = {"cluster_name": words["name"], "endpoints": [{"lb_endpoints": ends}]}
        if h2:
            cluster["typed_extension_protocol_options"] = {
                H2: typed(H2, explicit_http_config={"http2_protocol_options": {}})
            }
        self.clusters.append(self._fill(file, merge(cluster, words)))

    def _listener(self, file, name: str, words: dict) -> None:
        log = typed(FILE_LOG, path=str(self.logs / f"{file.name}.{name}.log"))
        format = "\t".join(["%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"] + LOG + words.get("log", [])) + "\n"
        log["log_format"] = {"text_format_source": {"inline_string": format}}
        manager = typed(
            HTTP,
            stat_prefix=f"{file.name}_{name}",
            access_log=[{"name": "envoy.access_loggers.file", "typed_config": log}],
            http_filters=[{"name": "envoy.filters.http.router", "typed_config": typed(ROUTER)}],
        )
        if "rds" not in words.get("http", {}):
            hosts = words.get("virtual_hosts")
            if hosts is None:
                first = next(iter(backends(file.words)))
                routes = words.get("routes", [{"match": {"prefix": "/"}, "route": {"cluster": f"${first}"}}])
                hosts = [{"name": "all", "domains": ["*"], "routes": routes}]
            manager["route_config"] = merge({"name": f"{file.name}_{name}", "virtual_hosts": hosts}, words.get("route_config", {}))
        merge(manager, words.get("http", {}))
        filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        chains = words.get("chains") or [words.get("chain", {})]
        listener = {
            "name": f"{file.name}_{name}",
            "address": _address(f"$port.{name}"),
            "filter_chains": [self._chain(chain, filter) for chain in chains],
        }
        if words.get("tls") is not None:
            self._chain_tls(listener["filter_chains"][0], words["tls"])
        self.listeners.append(self._fill(file, merge(listener, words.get("listener", {}))))

    def _chain(self, words: dict, filter: dict) -> dict:
        words = copy.deepcopy(words)
        own, tls = copy.deepcopy(filter), words.pop("tls", None)
        merge(own["typed_config"], words.pop("http", {}))
        chain = {"filters": [own]}
        if tls is not None:
            self._chain_tls(chain, tls)
        return merge(chain, words)

    def _chain_tls(self, chain: dict, words: dict) -> None:
        """`cert`, `alpn`, `params`, `client`; anything else is the context's own."""
        words = dict(words)
        cert = words.pop("cert", "default")
        common = {
            "tls_certificates": [
                {"certificate_chain": {"filename": f"$pem.{one}"}, "private_key": {"filename": f"$key.{one}"}}
                for one in ([cert] if isinstance(cert, str) else cert)
            ],
            "alpn_protocols": words.pop("alpn", ["h2", "http/1.1"]),
        }
        if "params" in words:
            common["tls_params"] = words.pop("params")
        context = typed(DOWN_TLS, common_tls_context=merge(common, words.pop("common", {})))
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": merge(context, words)}

    def _fill(self, file, value):
        """`$name` is the file's own cluster, `$port.x`, `$pem.x`, `$key.x`, `$text.x`, `$ip` and `$log.x` what they say."""
        if isinstance(value, dict):
            return {self._fill(file, k) if k.startswith("$") else k: self._fill(file, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._fill(file, one) for one in value]
        if not isinstance(value, str) or "$" not in value:
            return value
        if match := re.fullmatch(r"\$port\.([\w-]+)", value):
            return self.ports[file.name, match[1]]
        return fill(value, file.name, self.ports, self.ip, self.certificates, self.logs)


def fill(text: str, file: str, ports: dict, ip: str, certificates, logs="") -> str:
    def put(match):
        word, arg, own = match.groups()
        if own is not None:
            return ip if own == "ip" else f"{file}_{own}"
        if word == "port":
            return str(ports[file, arg])
        return certificates.path(arg, word) if word in ("pem", "key") else f"{logs}/{file}.{arg}.extra"

    return re.sub(r"\$(?:(port|pem|key|log)\.([a-z][\w-]*)|([a-z][\w-]*))", put, text)


def backends(words: dict) -> dict:
    return words.get("backends", {"b": {}})


def listeners(words: dict) -> dict:
    shared = {k: v for k, v in words.items() if k in ("http", "routes", "virtual_hosts", "route_config", "listener", "chain", "tls", "log")}
    named = words.get("listeners", {"main": {}})
    return {name: {**shared, **(own or {})} for name, own in named.items()}


def typed(kind: str, **fields) -> dict:
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def merge(into: dict, more: dict) -> dict:
    """Mappings by key; anything else is replaced. `null` takes away."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = copy.deepcopy(value)
    return into


def _address(port) -> dict:
    return {"socket_address": {"address": "$ip", "port_value": port}}
