"""One pod: a network namespace, its volumes, its containers, its status. A thread each, until the pod is gone."""

import http.client
import json
import subprocess
import threading
import time
import traceback

from . import places
from .container import Container, now
from .kube import ApiError
from .volumes import Volumes

REFRESH = 5  # seconds between looks at mounted ConfigMaps and Secrets


def sh(*argv: str, check: bool = True, feed: str | None = None):
    return subprocess.run(argv, check=check, capture_output=True, text=True, input=feed)


class Pod:
    def __init__(self, kubelet, pod: dict):
        self.kubelet, self.kube, self.pod = kubelet, kubelet.kube, pod
        meta, spec = pod["metadata"], pod["spec"]
        self.ns, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.path = f"/api/v1/namespaces/{self.ns}/pods/{self.name}"
        self.wake, self.grace = threading.Event(), None  # grace: seconds to end in, once the pod is deleted
        self.last_status, self.next_refresh = None, 0.0
        self.netns = self.ip = self.volumes = None
        policy = spec.get("restartPolicy", "Always")
        self.containers = [
            Container(c, policy, places.LOGS / f"{self.ns}_{self.name}_{c['name']}.log", self.log)
            for c in spec["containers"]
        ]
        for container in self.containers:
            container.user_agent = kubelet.user_agent
        self.termination_grace = spec.get("terminationGracePeriodSeconds", 30)

    def log(self, *words):
        at = time.time()
        stamp = f"{time.strftime('%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03d}"
        print(stamp, f"{self.ns}/{self.name}:", *words, flush=True)

    def stop(self, grace: float):
        self.grace = grace if self.grace is None else min(self.grace, grace)
        self.wake.set()

    def gone(self) -> bool:
        return self.grace is not None

    def main(self):
        try:
            self.set_up()
            while not self.gone():
                self.step()
                self.report()
                self.refresh_volumes()
                self.wake.wait(self.pause())
        except Exception:
            self.log("failed:", traceback.format_exc())
        while not self.gone():  # set-up failed: wait for the deletion
            self.wake.wait(1)
        try:
            self.tear_down()
        except Exception:
            self.log("could not be torn down:", traceback.format_exc())
        self.kubelet.pods.pop(self.uid, None)

    def set_up(self):
        self.log("seen")
        if not self.pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": places.NODE}
            self.kube.request("POST", self.path + "/binding", {
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": self.name, "uid": self.uid},
                "target": target})
        number, self.ip = self.kubelet.allocate()
        self.netns, link = f"{places.NETNS}-{number}", f"v{number}"
        sh("ip", "netns", "add", self.netns)
        sh("ip", "-batch", "-", feed=f"link add {link} type veth peer name eth0 netns {self.netns}\n"
                                     f"link set {link} master br0 up\n")
        sh("ip", "-n", self.netns, "-batch", "-",
           feed=f"link set lo up\naddr add {self.ip}/16 dev eth0\nlink set eth0 up\n"
                f"route add default via {places.NODE_IP}\n")
        self.volumes = Volumes(self.kube, self.pod, self.ip, self.gone, self.wake, self.log)
        self.volumes.make()
        self.next_refresh = time.monotonic() + REFRESH

    def refresh_volumes(self):
        if time.monotonic() < self.next_refresh:
            return
        self.next_refresh = time.monotonic() + REFRESH
        try:
            self.volumes.refresh()
        except (OSError, http.client.HTTPException) as error:
            self.log("refreshing volumes:", error)

    # ---- running ------------------------------------------------------------------------------
    def step(self):
        for container in self.containers:
            if container.proc is not None and not container.running() and not container.exited:
                container.note_end()
            if container.proc is None or (container.exited and 0 < container.restart_at <= time.monotonic()):
                self.start(container)
            if not container.running():
                continue
            if container.started and time.monotonic() >= container.next_probe:
                container.check_ready()
            if container.health and time.monotonic() >= container.next_health and not container.healthy():
                ending = (self.termination_grace, lambda: self.grace == 0)
                threading.Thread(target=container.end, args=ending, daemon=True).start()

    def start(self, container: Container):
        command = self.kubelet.command_for(container.spec["image"])
        if command is None:
            container.waiting = "ErrImagePull"
            return
        container.restarts += container.proc is not None
        container.restart_at = 0.0
        container.start(command, self.netns, self.volumes)

    def pause(self) -> float:
        due = [t for c in self.containers if c.running() for t in (
            [c.next_probe] * c.started + [c.next_health] * bool(c.health))]
        return min(0.5, max(0.01, min(due, default=0) - time.monotonic()))

    def report(self):
        statuses = [c.status() for c in self.containers]
        ready = "True" if all(c.ready for c in self.containers) else "False"
        key = json.dumps([statuses, ready])
        if key == self.last_status:
            return
        self.last_status = key
        conditions = [{"type": t, "status": s, "lastTransitionTime": now()} for t, s in (
            ("PodScheduled", "True"), ("Initialized", "True"), ("ContainersReady", ready), ("Ready", ready))]
        try:
            self.kube.merge_patch(self.path + "/status", {"status": {
                "phase": "Running" if all(c.proc for c in self.containers) else "Pending",
                "podIP": self.ip, "podIPs": [{"ip": self.ip}], "hostIP": places.NODE_IP,
                "hostIPs": [{"ip": places.NODE_IP}], "startTime": self.pod["metadata"]["creationTimestamp"],
                "conditions": conditions, "containerStatuses": statuses}})
        except ApiError as error:
            if error.code not in (404, 409):
                self.log("status:", error)

    # ---- ending -------------------------------------------------------------------------------
    def tear_down(self):
        enders = [
            threading.Thread(target=c.end, args=(self.grace or 0, lambda: self.grace == 0), daemon=True)
            for c in self.containers if c.running()
        ]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        for container in self.containers:
            if container.proc:
                container.proc.wait()
        if self.netns:
            sh("ip", "netns", "del", self.netns, check=False)
        try:
            self.kube.request("DELETE", self.path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}})
        except ApiError as error:
            if error.code not in (404, 409):
                raise
        if self.volumes:
            self.volumes.remove()
