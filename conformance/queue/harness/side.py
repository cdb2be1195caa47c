"""One queue-proxy in a network of its own, as a pod has: started for a case, asked, told to end."""

import asyncio
import json
import os
import pathlib
import re
import signal
import time

from .client import Client, ask

MAIN, TLS, ADMIN, STATS, METRICS, USER = 8012, 8112, 8022, 9090, 9091, 8080

# What Knative's controller tells a queue-proxy; the benches begin with the same.
ENVIRONMENT = json.loads((pathlib.Path(__file__).resolve().parents[1] / "environment.json").read_text())
ENVIRONMENT["PATH"] = os.environ.get("PATH", "")


class Side:
    def __init__(self, command: list[str]):
        self.command = command
        self.process = None
        self.notes: dict[str, object] = {}
        self.port = MAIN

    def note(self, name: str, what) -> None:
        assert name not in self.notes, name
        self.notes[name] = what

    async def start(self, changes: dict, until: int | None = MAIN) -> None:
        environment = {**ENVIRONMENT, **changes}
        environment = {name: value for name, value in environment.items() if value is not None}
        self.process = await asyncio.create_subprocess_exec(
            *self.command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        self.output = [asyncio.ensure_future(pipe.read()) for pipe in (self.process.stdout, self.process.stderr)]
        if until is not None:
            await self.listening(until)
            await self.listening(ADMIN)
            await self.listening(STATS)

    async def listening(self, port: int) -> None:
        until = time.monotonic() + 20
        while True:
            try:
                await (await Client.connect(port)).close()
                return
            except OSError:
                if time.monotonic() > until or self.process.returncode is not None:
                    raise
                await asyncio.sleep(0.01)

    async def ask(self, data: bytes, port: int | None = None, **more) -> dict:
        return await ask(port or self.port, data, **more)

    async def connect(self, port: int | None = None, **more) -> Client:
        return await Client.connect(port or self.port, **more)

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def wait(self, within: float = 60) -> int:
        return await asyncio.wait_for(self.process.wait(), within)

    async def stop(self) -> tuple[str, str]:
        """Ends it at once; what it wrote."""
        if self.process is None:
            return "", ""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        return tuple([(await pipe).decode("latin-1") for pipe in self.output])


def steady(value):
    """Without what no two runs have in common: ports of the kernel's choice and measured times."""
    if isinstance(value, dict):
        return {key: steady(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [steady(inner) for inner in value]
    if isinstance(value, str):
        value = re.sub(r"127\.0\.0\.1:[1-6]\d{4}(?!\d)", "127.0.0.1:PORT", value)
        return re.sub(r"after \d+\.\d\ds", "after N.NNs", value)
    return value
