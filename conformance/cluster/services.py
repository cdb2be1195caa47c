"""Stand-in for kube-proxy and cluster DNS, in user space.

Every ClusterIP:port gets a TCP listener that forwards to the Service's ready endpoints in turn,
and names under cluster.local are answered on UDP port 53 (ClusterIP, endpoint addresses of a
headless Service, or the target of an ExternalName). It needs the whole Service range to be a
`local` route in its network namespace. Services of type LoadBalancer get their ClusterIP as
load-balancer address. Run as `python3 -m cluster.services`.
"""

import asyncio
import itertools
import socket
import struct
import threading

from . import places
from .kube import ApiError, Kube

DOMAIN = ["cluster", "local"]


class Services:
    def __init__(self, kube, address):
        self.kube, self.address = kube, address
        self.services, self.slices = {}, {}          # (ns, name) -> object
        self.listeners = {}                          # (ip, port) -> (server or None, (ns, name), port name)
        self.turn = itertools.count()
        self.flows = set()                           # the loop itself holds tasks by weak references only

    # ---- watching -----------------------------------------------------------------------------
    def watch(self, path, store, changed):
        def on_list(items):
            fresh = {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in items}
            for key in set(store) - set(fresh):
                store.pop(key)
            store.update(fresh)
            self.loop.call_soon_threadsafe(changed)

        def on_event(kind, obj):
            key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
            if kind == "DELETED":
                store.pop(key, None)
            else:
                store[key] = obj
            self.loop.call_soon_threadsafe(changed)
        threading.Thread(target=self.kube.watch_forever, args=(path, on_list, on_event), daemon=True).start()

    def sync(self):
        wanted = {}
        for key, svc in list(self.services.items()):
            spec = svc["spec"]
            if spec.get("clusterIP") in (None, "", "None"):
                continue
            for port in spec.get("ports", []):
                if port.get("protocol", "TCP") == "TCP":
                    wanted[(spec["clusterIP"], port["port"])] = (key, port.get("name", ""))
            if spec.get("type") == "LoadBalancer" and not svc.get("status", {}).get("loadBalancer"):
                threading.Thread(target=self.set_lb, args=(key, spec["clusterIP"]), daemon=True).start()
        for where in set(self.listeners) - set(wanted):
            server = self.listeners.pop(where)[0]
            if server:
                server.close()
        for where, (key, port_name) in wanted.items():
            if where in self.listeners:
                self.listeners[where] = (self.listeners[where][0], key, port_name)
            else:
                self.listeners[where] = (None, key, port_name)
                self.loop.create_task(self.listen(where))

    def set_lb(self, key, ip):
        try:
            self.kube.merge_patch(f"/api/v1/namespaces/{key[0]}/services/{key[1]}/status",
                                  {"status": {"loadBalancer": {"ingress": [{"ip": ip}]}}})
        except ApiError:
            pass

    # ---- TCP forwarding -----------------------------------------------------------------------
    async def listen(self, where):
        server = await asyncio.start_server(lambda r, w: self.accept(where, r, w), *where, backlog=1024)
        if where in self.listeners:
            self.listeners[where] = (server, *self.listeners[where][1:])
        else:
            server.close()

    def endpoints(self, key, port_name=None):
        """Ready (address, port) pairs of a Service."""
        found = []
        for (ns, _), sl in list(self.slices.items()):
            if ns != key[0] or sl["metadata"].get("labels", {}).get("kubernetes.io/service-name") != key[1]:
                continue
            ports = [p["port"] for p in sl.get("ports") or [] if port_name is None or p.get("name", "") == port_name]
            for ep in sl.get("endpoints") or []:
                if ep.get("conditions", {}).get("ready", True):
                    found += [(a, p) for a in ep["addresses"] for p in ports or ([0] if port_name is None else [])]
        return found

    def accept(self, where, reader, writer):
        flow = self.loop.create_task(self.forward(where, reader, writer))
        self.flows.add(flow)
        flow.add_done_callback(self.flows.discard)

    async def forward(self, where, reader, writer):
        try:
            _, key, port_name = self.listeners.get(where, (None, None, None))
            targets = self.endpoints(key, port_name) if key else []
            if not targets:
                return
            target = targets[next(self.turn) % len(targets)]
            back_reader, back_writer = await asyncio.wait_for(asyncio.open_connection(*target), 5)
        except (OSError, asyncio.TimeoutError):
            return
        finally:
            if "back_writer" not in locals():
                writer.transport.abort()
        await asyncio.gather(self.pump(reader, back_writer), self.pump(back_reader, writer))
        for w in (writer, back_writer):
            w.close()

    @staticmethod
    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            writer.transport.abort()

    # ---- DNS ----------------------------------------------------------------------------------
    def lookup(self, labels, depth=0):
        """None for an unknown name, else a list of IPv4 addresses."""
        if depth > 4 or len(labels) < 5 or labels[-2:] != DOMAIN or labels[-3] != "svc":
            return None
        key = (labels[-4], labels[-5])
        svc = self.services.get(key)
        if svc is None:
            return None
        spec = svc["spec"]
        if spec.get("type") == "ExternalName":
            return self.lookup(spec["externalName"].rstrip(".").lower().split("."), depth + 1)
        if spec.get("clusterIP") == "None":
            return sorted({a for a, _ in self.endpoints(key)})
        return [spec["clusterIP"]]

    def answer(self, query):
        ident, _, _, _, _, _ = struct.unpack("!6H", query[:12])
        pos, labels = 12, []
        while query[pos]:
            labels.append(query[pos + 1:pos + 1 + query[pos]].decode().lower())
            pos += 1 + query[pos]
        qtype = struct.unpack("!H", query[pos + 1:pos + 3])[0]
        question = query[12:pos + 5]
        addresses = self.lookup(labels)
        rcode = 3 if addresses is None else 0
        records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + socket.inet_aton(a)
                   for a in addresses or [] if qtype == 1]
        return struct.pack("!6H", ident, 0x8580 | rcode, 1, len(records), 0, 0) + question + b"".join(records)

    async def main(self):
        self.loop = asyncio.get_running_loop()
        outer = self

        class Dns(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                try:
                    self.transport.sendto(outer.answer(data), addr)
                except (IndexError, struct.error, UnicodeDecodeError):
                    pass
        await self.loop.create_datagram_endpoint(Dns, local_addr=(self.address, 53))
        self.watch("/api/v1/services", self.services, self.sync)
        self.watch("/apis/discovery.k8s.io/v1/endpointslices", self.slices, lambda: None)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(Services(Kube(places.KUBECONFIG), places.NODE_IP).main())
