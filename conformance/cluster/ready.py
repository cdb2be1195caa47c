"""How long Ingresses take to become ready: from a generation being seen to its Ready=True being seen, on one watch."""

import threading
import time

from .kube import Kube

PATH = "/apis/networking.internal.knative.dev/v1alpha1/ingresses"


class ReadyTimes:
    def __init__(self, kube: Kube):
        self.open, self.seconds = {}, []
        threading.Thread(target=kube.watch_forever, daemon=True, args=(PATH, self.listed, self.see)).start()

    def listed(self, items: list[dict]):
        for item in items:
            self.see("MODIFIED", item)

    def see(self, _, ingress: dict):
        meta, status = ingress["metadata"], ingress.get("status", {})
        key = (meta["uid"], meta["generation"])
        ready = status.get("observedGeneration") == meta["generation"] and any(
            c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
        if ready and self.open.get(key):
            self.seconds.append((round(time.monotonic() - self.open[key], 3), f"{meta['name']}@{meta['generation']}"))
            self.open[key] = None
        else:
            self.open.setdefault(key, None if ready else time.monotonic())
