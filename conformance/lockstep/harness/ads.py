"""The same resources over a real ADS stream, state of the world or delta. Envoy's messages come from the descriptors that the
`envoy-types` crate carries, so that a file's words are read by their own types and sent as protobuf."""

import asyncio
import copy
import functools
import json
import pathlib
import struct
import subprocess

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from .http1 import Gone, Wire
from .http2 import PREFACE, Frames
from .snapshot import H2, typed

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
CLUSTER, LISTENER = "envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener"
ROUTES = "envoy.config.route.v3.RouteConfiguration"
URL = "type.googleapis.com/"
DISCOVERY = "envoy.service.discovery.v3."
SOURCE = {"ads": {}, "resource_api_version": "V3"}


class Ads:
    """Makes a bootstrap for one side, and serves it what the bootstrap leaves out."""

    def __init__(self, way: str):
        self.delta = way == "delta"
        self.pool = _pool()
        self.tasks: set = set()
        self.servers: list = []
        self.refused: list[str] = []

    async def __call__(self, side, resources, admin: int) -> dict:
        store = self._store(resources)
        server = await asyncio.start_server(functools.partial(self._accept, store), side.ip, 0)
        self.servers.append(server)
        port = server.sockets[0].getsockname()[1]
        address = {"socket_address": {"address": side.ip, "port_value": port}}
        ends = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        return {
            "node": {"id": "lockstep", "cluster": "lockstep"},
            "admin": {"address": {"socket_address": {"address": side.ip, "port_value": admin}}},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC" if self.delta else "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
                },
                "cds_config": SOURCE,
                "lds_config": SOURCE,
            },
            "static_resources": {
                "clusters": [{
                    "name": "xds", "type": "STATIC", "connect_timeout": "1s",
                    "load_assignment": {"cluster_name": "xds", "endpoints": ends},
                    "typed_extension_protocol_options": {H2: typed(H2, explicit_http_config={"http2_protocol_options": {}})},
                }]
            },
        }

    def _store(self, resources) -> dict:
        """Type URL to name to Any; route configurations leave their listeners for RDS."""
        routes: dict = {}
        listeners = copy.deepcopy(resources.listeners)
        for listener in listeners:
            for index, chain in enumerate(listener["filter_chains"]):
                manager = chain["filters"][0]["typed_config"]
                inline = manager.pop("route_config", None)
                if inline is not None:
                    name = f"{inline.get('name', listener['name'])}/{index}"
                    routes[name] = {**inline, "name": name}
                    manager["rds"] = {"route_config_name": name, "config_source": SOURCE}
        named = lambda all: {one["name"]: one for one in all}
        words = {CLUSTER: named(resources.clusters), LISTENER: named(listeners), ROUTES: routes}
        return {
            URL + kind: {name: self._encode(kind, one) for name, one in all.items()} for kind, all in words.items()
        }

    def _message(self, kind: str):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(kind))()

    def _encode(self, kind: str, words: dict) -> bytes:
        message = json_format.ParseDict(words, self._message(kind), descriptor_pool=self.pool)
        return message.SerializeToString(deterministic=True)

    async def _accept(self, store, reader, writer) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        wire = Wire(reader, writer)
        frames = Frames(wire)
        inbox: dict[int, bytes] = {}
        stream = _Stream(self, store)
        try:
            await wire.exactly(len(PREFACE))
            await frames.hello(False, {})
            frames.listen()
            while True:
                event = await frames.events.get()
                if event[0] == "end":
                    return
                if event[0] == "headers":
                    fields = [(":status", "200"), ("content-type", "application/grpc")]
                    await frames.headers(event[1], fields, False)
                    inbox[event[1]] = b""
                if event[0] == "data":
                    inbox[event[1]] += event[2]
                    while (one := _message_of(inbox, event[1])) is not None:
                        for answer in stream.hear(one):
                            await frames.data(event[1], b"\0" + struct.pack(">I", len(answer)) + answer, False)
        except (Gone, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.close()

    def stop(self) -> None:
        for server in self.servers:
            server.close()
        for task in list(self.tasks):
            task.cancel()


class _Stream:
    """What one subscriber was sent. A request that only acknowledges is answered by nothing."""

    def __init__(self, ads: Ads, store: dict):
        self.ads, self.store = ads, store
        self.sent: dict[str, set] = {}
        self.nonce = 0

    def hear(self, data: bytes):
        kind = "DeltaDiscoveryRequest" if self.ads.delta else "DiscoveryRequest"
        request = self.ads._message(DISCOVERY + kind)
        request.ParseFromString(data)
        if request.error_detail.message:
            self.ads.refused.append(f"{request.type_url}: {request.error_detail.message}")
        held = self.store.get(request.type_url, {})
        asked = set(request.resource_names_subscribe if self.ads.delta else request.resource_names)
        wildcard = not request.type_url.endswith("RouteConfiguration")
        known = self.sent.get(request.type_url)
        if wildcard:
            wanted = set(held) if known is None else set()
            if known is not None:
                return
        else:
            wanted = asked - (known or set()) if self.ads.delta else asked
            if not wanted or wanted == known:
                return
        self.sent[request.type_url] = (known or set()) | wanted if self.ads.delta or wildcard else wanted
        yield self._answer(request.type_url, {name: held[name] for name in sorted(wanted) if name in held})

    def _answer(self, url: str, resources: dict) -> bytes:
        self.nonce += 1
        kind = "DeltaDiscoveryResponse" if self.ads.delta else "DiscoveryResponse"
        answer = self.ads._message(DISCOVERY + kind)
        answer.type_url, answer.nonce = url, str(self.nonce)
        for name, value in resources.items():
            one = answer.resources.add()
            if self.ads.delta:
                one.name, one.version = name, "1"
                one = one.resource
            one.type_url, one.value = url, value
        if self.ads.delta:
            answer.system_version_info = "1"
        else:
            answer.version_info = "1"
        return answer.SerializeToString()


def _message_of(inbox: dict, stream: int):
    data = inbox[stream]
    if len(data) < 5 or len(data) < 5 + int.from_bytes(data[1:5], "big"):
        return None
    end = 5 + int.from_bytes(data[1:5], "big")
    inbox[stream] = data[end:]
    return data[5:end]


def _pool():
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True, timeout=60).stdout
    target = next(line.split(": ")[1] for line in host.splitlines() if line.startswith("host: "))
    command = ["cargo", "metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", target]
    told = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    packages = json.loads(told.stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == "envoy-types")
    types = descriptor_pb2.FileDescriptorSet()
    types.ParseFromString((pathlib.Path(manifest).parent / "src/generated/types.bin").read_bytes())
    pool, waiting = descriptor_pool.DescriptorPool(), {file.name: file for file in types.file}

    def add(name: str) -> None:
        file = waiting.pop(name, None)
        if file is not None:
            for needed in file.dependency:
                add(needed)
            pool.Add(file)

    for name in list(waiting):
        add(name)
    return pool
