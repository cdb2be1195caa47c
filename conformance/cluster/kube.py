"""A very small Kubernetes API client: requests, patches, and lists that are followed by watches."""

import http.client
import json
import ssl
import threading
import time
from urllib.parse import urlsplit


class ApiError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text[:300]}")
        self.code = code


class Kube:
    def __init__(self, kubeconfig):
        with open(kubeconfig) as f:
            cfg = json.load(f)  # the cluster writes the kubeconfig as JSON, which is valid YAML
        cluster = cfg["clusters"][0]["cluster"]
        self.token = cfg["users"][0]["user"]["token"]
        url = urlsplit(cluster["server"])
        self.host, self.port = url.hostname, url.port
        self.tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.local = threading.local()

    def _connect(self, timeout):
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=timeout)

    def request(self, method, path, body=None, ctype="application/json"):
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": ctype}
        data = json.dumps(body) if body is not None else None
        for attempt in (0, 1):
            conn = getattr(self.local, "conn", None) or self._connect(30)
            self.local.conn = conn
            try:
                conn.request(method, path, data, headers)
                resp = conn.getresponse()
                text = resp.read().decode()
                break
            except (OSError, http.client.HTTPException):
                conn.close()
                self.local.conn = None
                if attempt:
                    raise
        if resp.status >= 400:
            raise ApiError(resp.status, text)
        return json.loads(text)

    def get(self, path):
        return self.request("GET", path)

    def merge_patch(self, path, body):
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def watch_forever(self, path, on_list, on_event):
        """List `path`, hand the items to on_list, then hand each event to on_event; relist on any trouble."""
        while True:
            try:
                listing = self.get(path)
                on_list(listing["items"])
                version = listing["metadata"]["resourceVersion"]
                conn = self._connect(330)
                conn.request("GET", f"{path}?watch=1&timeoutSeconds=300&allowWatchBookmarks=true"
                                    f"&resourceVersion={version}",
                             headers={"Authorization": "Bearer " + self.token})
                resp = conn.getresponse()
                while resp.status == 200 and (line := resp.readline()):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    if event["type"] != "BOOKMARK":
                        on_event(event["type"], event["object"])
                conn.close()
            except (OSError, http.client.HTTPException, ApiError, ValueError):
                time.sleep(0.5)
