"""What the autoscaler is told."""

import asyncio
import struct

from harness.app import PLAIN
from harness.cases import case
from harness.client import Client, get
from harness.side import STATS


def decode(data: bytes) -> dict:
    """proto3 `Stat`: a string, doubles and an integer."""
    fields, at = {}, 0
    while at < len(data):
        key = data[at]
        at += 1
        number, kind = key >> 3, key & 7
        if kind == 2:
            size = data[at]
            fields[number] = data[at + 1 : at + 1 + size].decode()
            at += 1 + size
        elif kind == 1:
            fields[number] = struct.unpack("<d", data[at : at + 8])[0]
            at += 8
        else:
            raise ValueError(f"kind {kind}")
    return fields


async def stat(side) -> dict:
    answer = await side.ask(get("/metrics", "Accept: application/protobuf"), STATS)
    return decode(answer["body"].encode("latin-1"))


async def slow(wire, request, number):
    await asyncio.sleep(2.5)
    await wire.send(PLAIN)


@case("at rest")
async def rest(side, app):
    answer = await side.ask(get("/metrics"), STATS)
    side.note("answer", {key: value for key, value in answer.items() if key != "body"} | {"size": None})
    await asyncio.sleep(1.3)
    fields = await stat(side)
    side.note("uptime", round(fields.pop(6)))
    side.note("fields", fields)


@case("requests that run, half of them through an activator", app=slow)
async def run(side, app):
    await asyncio.sleep(0.2)
    asked = [asyncio.ensure_future(side.ask(get("/", *(["K-Proxy-Request: activator"] if n % 2 else [])))) for n in range(10)]
    counted, proxied = 0, 0
    average = average_proxied = 0
    for _ in range(14):
        await asyncio.sleep(0.25)
        fields = await stat(side)
        counted, proxied = max(counted, fields.get(4, 0)), max(proxied, fields.get(5, 0))
        average, average_proxied = max(average, fields.get(2, 0)), max(average_proxied, fields.get(3, 0))
    side.note("arrivals", [counted, proxied])
    side.note("average", [round(average, 1), round(average_proxied, 1)])
    for one in asked:
        await one
    await asyncio.sleep(2.2)
    side.note("afterwards", sorted(await stat(side)))


@case("probes are nobody's load")
async def probes(side, app):
    for _ in range(5):
        await side.ask(get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue"))
        await side.ask(get("/", "K-Network-Probe: probe", "K-Network-Hash: x"))
        await side.ask(get("/", "K-Kubelet-Probe: x"))
    await asyncio.sleep(1.2)
    side.note("fields", sorted(await stat(side)))
