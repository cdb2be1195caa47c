"""The programs side by side: started with one bootstrap each, asked over their admin address, ended by process id."""

import asyncio
import json
import os
import pathlib
import signal
import subprocess

from . import http1
from .http1 import Gone, Wire

ENVOY, FOREBAY = os.environ["ENVOY"], os.environ["FOREBAY"]
START = 30.0


class Refused(Exception):
    """It did not start; the text is the end of its log."""


class Program:
    """One process of one side."""

    def __init__(self, kind: str, ip: str, admin: int, home: pathlib.Path, mark: str):
        self.kind, self.ip, self.admin = kind, ip, admin
        self.config, self.log = home / f"{mark}.json", home / f"{mark}.log"

    async def start(self, bootstrap: dict) -> None:
        self.config.write_text(json.dumps(bootstrap, indent=1))
        words = ["-c", str(self.config), "--concurrency", "1", "--file-flush-interval-msec", "50", "--drain-time-s", "2"]
        if self.kind == "envoy":
            command = [ENVOY, *words, "--disable-hot-restart", "-l", "warning"]
        else:
            command = [FOREBAY, "gateway", *words]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        end = asyncio.get_running_loop().time() + START
        while True:
            if self.process.poll() is not None:
                raise Refused(self.said())
            try:
                if (await self.ask("GET", "/ready"))[0] == 200:
                    return
            except (OSError, Gone, asyncio.TimeoutError):
                pass
            if asyncio.get_running_loop().time() > end:
                self.stop()
                raise Refused("not ready: " + self.said())
            await asyncio.sleep(0.03)

    def said(self) -> str:
        """The end of its log; where it prints its whole configuration back, only what it says of it."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(line[:600] for line in lines if line[:1] not in (" ", "{", "}", ""))[-1500:]

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def ask(self, method: str, path: str) -> tuple[int, str]:
        """One request to the admin address."""
        reader, writer = await asyncio.open_connection(self.ip, self.admin)
        wire = Wire(reader, writer)
        came: dict = {}
        try:
            await wire.send(f"{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            head = await asyncio.wait_for(http1.head(wire), 10)
            body = bytearray()
            if head.has("transfer-encoding", "chunked"):
                await http1.chunks(wire, body)
            elif head.values("content-length"):
                body += await wire.exactly(int(head.values("content-length")[0]))
            else:
                body += (await wire.rest())[0]
            return int(head.first.split(" ")[1]), bytes(body).decode("utf-8", "replace")
        finally:
            await wire.close()

    async def stats(self, names: list[str]) -> dict[str, int]:
        """Counters and gauges by their whole names; what is not there is nothing."""
        if not names:
            return {}
        status, text = await self.ask("GET", "/stats")
        lines = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
        found = {name: value for name, value in lines}
        return {name: int(found[name]) if found.get(name, "").isdigit() else -1 for name in names}


def static(snapshot, ip: str, admin: int) -> dict:
    """Everything in the bootstrap."""
    from .snapshot import merge

    bootstrap = {
        "node": {"id": "lockstep", "cluster": "lockstep"},
        "admin": {"address": {"socket_address": {"address": ip, "port_value": admin}}},
        "static_resources": {"listeners": snapshot.listeners, "clusters": snapshot.clusters},
    }
    return merge(bootstrap, snapshot.bootstrap)
