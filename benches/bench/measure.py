"""Measuring a row: every peer is started, then in each round every cell is measured with every peer in turn, so that a slow
minute is slow for all. One sample is CPU microseconds of the proxy's processes for each unit of work."""

import pathlib
import subprocess
import tempfile

from . import loads, machine
from .configs import HOST
from .machine import Unable
from .peers import FOREBAY, Peer
from .rows import Row

# What a peer may do to be left out: not start, end in the middle, not answer in time.
WRONG = (Unable, OSError, ValueError, subprocess.SubprocessError)


def measure(row: Row, rounds: int, seconds: int, quick: bool) -> dict:
    """The row's part of the results: title, unit, and for each cell the samples of each peer or why there are none."""
    with tempfile.TemporaryDirectory(prefix="forebay-bench-") as folder:
        home = pathlib.Path(folder)
        backend_port = machine.free_port()
        backend_log = home / "backend.log"
        backend = machine.start([FOREBAY, "sample", "hello"], machine.OTHERS, backend_log, {"PORT": str(backend_port)})
        running: list[Peer] = []
        missing: dict[str, str] = {}
        try:
            machine.wait_for(backend_port, backend, backend_log)
            if row.scene.tls:
                _certificate(home, row.scene.tls)
            for peer in row.peers:
                try:
                    peer.version()
                    running.append(peer(home, backend_port, row.scene))
                except WRONG as why:
                    missing[peer.name] = str(why)
            return {"name": row.name, "title": row.title, "unit": row.unit, "missing": missing, "cells": _cells(row, running, rounds, seconds, quick)}
        finally:
            for peer in running:
                peer.stop()
            machine.stop(backend)


def _certificate(home: pathlib.Path, kind: str) -> None:
    """HAProxy wants certificate and key in one file."""
    key = {"ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}[kind]
    words = ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", home / "tls.key", "-out", home / "tls.crt"]
    subprocess.run(words, check=True, capture_output=True)
    (home / "tls.pem").write_text((home / "tls.crt").read_text() + (home / "tls.key").read_text())


def _cells(row: Row, running: list[Peer], rounds: int, seconds: int, quick: bool) -> list[dict]:
    loaded = row.cells[: 2 if quick else None]
    cells = [{"title": cell.title, "samples": {peer.name: [] for peer in running}, "failed": {}} for cell in loaded]
    for peer in running:
        # Connections to the backend, caches, the first pages of memory: paid before anything counts, but for a look.
        for cell, found in () if quick else zip(loaded, cells):
            try:
                cell.load(peer.at, 1)
            except WRONG as why:
                found["failed"][peer.name] = str(why)
    for _ in range(rounds):
        for cell, found in zip(loaded, cells):
            for peer in running:
                if peer.name in found["failed"]:
                    continue
                try:
                    found["samples"][peer.name].append(_sample(cell, peer, seconds))
                except WRONG as why:
                    found["failed"][peer.name] = str(why)
    return cells


def _sample(cell, peer: Peer, seconds: int) -> dict:
    before = machine.cpu(peer.pids)
    done: loads.Done = cell.load(peer.at, seconds)
    user, system = (after - start for after, start in zip(machine.cpu(peer.pids), before))
    if not done.units:
        raise Unable("nothing was done")
    return {
        "user_us": user / done.units,
        "system_us": system / done.units,
        "rate": done.units / done.seconds,
        "rss_kib": machine.resident(peer.pids),
        **{f"{name}_us": value for name, value in done.latency.items()},
    }
