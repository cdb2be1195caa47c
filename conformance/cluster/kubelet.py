"""Process kubelet: every pod becomes local processes in a network namespace of its own.

It binds unscheduled pods to its node, looks each container image up in a table (`REGEX  SHELL COMMAND` by line), runs
the command, keeps pod status up to date, restarts what dies and ends what is deleted. It serves container logs where
the API server looks for them. Run as `python3 -m cluster.kubelet IMAGES`.
"""

import http.server
import os
import re
import signal
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

from . import places
from .kube import ApiError, Kube
from .pod import Pod


class Kubelet:
    def __init__(self, images: str):
        self.kube = Kube(places.KUBECONFIG)
        self.pods: dict[str, Pod] = {}
        self.lock, self.next_number = threading.Lock(), 10
        self.images = []
        with open(images) as table:
            for line in table:
                pattern, command = line.rstrip("\n").split(None, 1)
                self.images.append((re.compile(pattern + r"\Z"), command))
        version = self.kube.get("/version")
        self.user_agent = f"kube-probe/{version['major']}.{version['minor']}"

    def command_for(self, image: str) -> str | None:
        for pattern, command in self.images:
            if m := pattern.match(image):
                return m.expand(command)
        return None

    def allocate(self) -> tuple[int, str]:
        """A number for a pod's namespace, never given twice, and the address that belongs to it."""
        with self.lock:
            number, self.next_number = self.next_number, self.next_number + 1
        return number, f"10.244.{number // 250}.{number % 250 + 1}"

    def on_list(self, pods: list[dict]):
        alive = {p["metadata"]["uid"] for p in pods}
        for pod in pods:
            self.on_event("ADDED", pod)
        for uid in set(self.pods) - alive:
            self.pods[uid].stop(0)

    def on_event(self, kind: str, pod: dict):
        uid = pod["metadata"]["uid"]
        known = self.pods.get(uid)
        if kind == "DELETED":
            if known:
                known.stop(0)
            return
        if known is None:
            if pod["spec"].get("nodeName", places.NODE) != places.NODE:
                return
            if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                return
            known = self.pods[uid] = Pod(self, pod)
            threading.Thread(target=known.main, daemon=True).start()
        if pod["metadata"].get("deletionTimestamp"):
            known.stop(pod["metadata"].get("deletionGracePeriodSeconds", 30))

    def run(self):
        def end(*_):
            for pod in list(self.pods.values()):
                for container in pod.containers:
                    container.signal(signal.SIGKILL)
            os._exit(0)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        watch = ("/api/v1/pods", self.on_list, self.on_event)
        threading.Thread(target=self.kube.watch_forever, args=watch, daemon=True).start()
        threading.Thread(target=self.serve_logs, daemon=True).start()
        while True:
            signal.pause()

    def serve_logs(self):
        server = http.server.ThreadingHTTPServer((places.NODE_IP, 10250), Logs)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pki = places.STATE / "pki"
        tls.load_cert_chain(pki / "api.crt", pki / "api.key")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status = {"addresses": [{"type": "InternalIP", "address": places.NODE_IP}],
                  "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}}}
        while True:  # the Node is made a little later
            try:
                return self.kube.merge_patch(f"/api/v1/nodes/{places.NODE}/status", {"status": status})
            except (ApiError, OSError):
                time.sleep(1)


class Logs(http.server.BaseHTTPRequestHandler):
    """GET /containerLogs/NAMESPACE/POD/CONTAINER, for `kubectl logs` and the tests that read logs."""

    def do_GET(self):
        try:
            _, kind, ns, pod, container = urlsplit(self.path).path.split("/")
            body = (places.LOGS / f"{ns}_{pod}_{container}.log").read_bytes()
            code = 200 if kind == "containerLogs" else 404
        except (ValueError, OSError) as error:
            body, code = str(error).encode(), 404
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Kubelet(sys.argv[1]).run()
