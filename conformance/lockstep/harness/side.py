"""One side: an address, a program, the backends that only it speaks to."""

import pathlib

from . import authz
from .backend import Backend
from .client import Peer
from .compare import Normal
from .snapshot import backends


class Side:
    def __init__(self, letter: str, kind: str, ip: str, home: pathlib.Path, ports: dict, certificates):
        self.letter, self.kind, self.ip, self.ports, self.certificates = letter, kind, ip, ports, certificates
        self.home = home / letter
        self.home.mkdir()
        self.peer = Peer(ip, certificates)
        self.normal = Normal(ip, ports)
        self.backends: dict[str, list[Backend]] = {}

    async def listen(self, files) -> None:
        """Starts the files' backends; those with `closed` get a port and nobody on it."""
        for file in files:
            self.backends[file.name] = []
            for name, words in backends(file.words).items():
                words = words or {}
                tls = self.certificates.server(words["tls"]) if "tls" in words else None
                grpc = authz.answer if words.get("authz") else None
                backend = Backend(name, self.ip, self.ports[file.name, name], tls, grpc)
                if not words.get("closed"):
                    await backend.start()
                    self.backends[file.name].append(backend)

    async def stop(self) -> None:
        for group in self.backends.values():
            for backend in group:
                await backend.stop()
