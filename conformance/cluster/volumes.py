"""What a pod sees of ConfigMaps, Secrets, tokens and its own fields: as files of volumes, and as environment.

Knows nothing of processes.
"""

import base64
import os
import pathlib
import re
import shutil
import threading
from collections.abc import Callable

from . import places
from .kube import ApiError, Kube


class Volumes:
    """The files of one pod, under `dir`. `gone` says that the pod is to end: nothing is waited for any more."""

    def __init__(self, kube: Kube, pod: dict, ip: str, gone: Callable[[], bool], wake: threading.Event, log: Callable):
        self.kube, self.pod, self.ip, self.gone, self.wake, self.log = kube, pod, ip, gone, wake, log
        meta = pod["metadata"]
        self.ns, self.name = meta["namespace"], meta["name"]
        self.dir = places.STATE / "pods" / f"{self.ns}_{self.name}"
        self.paths: dict[str, pathlib.Path] = {}
        self.account: pathlib.Path | None = None

    def make(self):
        self.write("resolv.conf", f"nameserver {places.NODE_IP}\noptions ndots:5\n"
                                  f"search {self.ns}.svc.cluster.local svc.cluster.local cluster.local\n")
        self.write("hosts", f"127.0.0.1 localhost\n{self.ip} {self.name}\n")
        for volume in self.pod["spec"].get("volumes", []):
            self.paths[volume["name"]] = self.fill(volume)
        account = self.pod["spec"].get("serviceAccountName")
        if account:
            self.write("account/token", self.token(account, None, 86400))
            self.write("account/namespace", self.ns)
            shutil.copy(places.STATE / "pki" / "ca.crt", self.dir / "account" / "ca.crt")
            self.account = self.dir / "account"

    def refresh(self):
        """Mounted ConfigMaps and Secrets follow their objects; subPath mounts do not, as with a real kubelet."""
        for volume in self.pod["spec"].get("volumes", []):
            self.fill(volume, again=True)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def write(self, name: str, data: str | bytes):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + "~")
        fresh.write_bytes(data if isinstance(data, bytes) else data.encode())
        os.replace(fresh, path)

    def fill(self, volume: dict, again: bool = False) -> pathlib.Path:
        base = self.dir / "volumes" / volume["name"]
        base.mkdir(parents=True, exist_ok=True)
        for source in volume.get("projected", {}).get("sources", [volume]):
            for name, data in self.files(source, again).items():
                path = base / name
                if not (again and path.exists() and path.read_bytes() == data):
                    self.write(str(path.relative_to(self.dir)), data)
        return base

    def files(self, source: dict, again: bool) -> dict[str, bytes]:
        """The files that one source of a volume stands for, by path."""
        if "configMap" in source or "secret" in source:
            kind, what = ("configmaps", source["configMap"]) if "configMap" in source else ("secrets", source["secret"])
            found = self.fetch(kind, what.get("secretName") or what.get("name"), again or what.get("optional"))
            items = what.get("items")
            return {i["path"]: found[i["key"]] for i in items if i["key"] in found} if items else found
        if "downwardAPI" in source:
            items = source["downwardAPI"]["items"]
            return {i["path"]: self.field(i["fieldRef"]["fieldPath"]).encode() for i in items if "fieldRef" in i}
        if "serviceAccountToken" in source and not again:
            token = source["serviceAccountToken"]
            account = self.pod["spec"].get("serviceAccountName", "default")
            text = self.token(account, token.get("audience"), token.get("expirationSeconds", 3600))
            return {token["path"]: text.encode()}
        return {}

    def fetch(self, kind: str, name: str, optional: bool = False) -> dict[str, bytes]:
        """The data of a ConfigMap or Secret; waits until it exists, as a kubelet does."""
        while not self.gone():
            try:
                found = self.kube.get(f"/api/v1/namespaces/{self.ns}/{kind}/{name}")
                data = {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
                for key, value in (found.get("data") or {}).items():
                    data[key] = base64.b64decode(value) if kind == "secrets" else value.encode()
                return data
            except ApiError as error:
                if optional or error.code != 404:
                    return {}
                self.log("waiting for", kind, name)
                self.wake.wait(1)
        return {}

    def token(self, account: str, audience: str | None, seconds: int) -> str:
        spec = {"expirationSeconds": seconds, **({"audiences": [audience]} if audience else {})}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{self.ns}/serviceaccounts/{account}/token"
        return self.kube.request("POST", path, request)["status"]["token"]

    def field(self, path: str) -> str:
        meta = self.pod["metadata"]
        if m := re.match(r"metadata\.(labels|annotations)\['(.+)'\]", path):
            return meta.get(m[1], {}).get(m[2], "")
        return {
            "metadata.name": self.name, "metadata.namespace": self.ns, "metadata.uid": meta["uid"],
            "status.podIP": self.ip, "status.podIPs": self.ip, "status.hostIP": places.NODE_IP,
            "spec.nodeName": places.NODE,
            "spec.serviceAccountName": self.pod["spec"].get("serviceAccountName", "default"),
        }.get(path, "")

    def environment(self, spec: dict) -> dict[str, str]:
        """The environment of a container, from `env` and `envFrom`."""
        env = {"PATH": os.environ["PATH"], "HOME": "/", "KUBERNETES_SERVICE_HOST": places.NODE_IP,
               "KUBERNETES_SERVICE_PORT": str(self.kube.port), "HOSTNAME": self.name}
        for source in spec.get("envFrom", []):
            kind = "configmaps" if "configMapRef" in source else "secrets"
            ref = source.get("configMapRef") or source.get("secretRef")
            for key, value in self.fetch(kind, ref["name"], ref.get("optional")).items():
                env[source.get("prefix", "") + key] = value.decode()
        for entry in spec.get("env", []):
            env[entry["name"]] = self.value(entry, env)
        return env

    def value(self, entry: dict, env: dict[str, str]) -> str:
        source = entry.get("valueFrom") or {}
        if "fieldRef" in source:
            return self.field(source["fieldRef"]["fieldPath"])
        for key, kind in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if ref := source.get(key):
                return self.fetch(kind, ref["name"], ref.get("optional")).get(ref["key"], b"").decode()
        return expand(entry.get("value", ""), env)


def expand(text: str, env: dict[str, str]) -> str:
    """`$(NAME)` as Kubernetes expands it: what is not known stays."""
    return re.sub(r"\$\(([A-Za-z0-9_.-]+)\)", lambda m: env.get(m[1], m[0]), text)
