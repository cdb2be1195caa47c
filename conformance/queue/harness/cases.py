"""Cases as functions of a side: what they note is compared."""

import importlib
import pathlib
from dataclasses import dataclass, field
from typing import Callable

from . import http2 as h2
from .app import App, plain


@dataclass
class Case:
    file: str
    name: str
    run: Callable
    environment: dict = field(default_factory=dict)
    app: Callable | None = plain
    reads_bodies: bool = True
    starts: bool = True
    http2: bool = False


ALL: list[Case] = []
FILE = ""


def case(name: str, app=plain, reads_bodies: bool = True, starts: bool = True, http2: bool = False, **environment):
    """Registers a coroutine `(side, app)`. Without an `app` nothing listens on the user port, with `http2` it speaks that;
    without `starts` the case starts the queue-proxy itself."""
    if http2 and app is plain:
        app = h2.plain

    def register(run):
        ALL.append(Case(FILE, name, run, environment, app, reads_bodies, starts, http2))
        return run

    return register


def load(directory: pathlib.Path) -> list[Case]:
    global FILE
    for path in sorted(directory.glob("*.py")):
        FILE = path.stem
        spec = importlib.util.spec_from_file_location(f"cases_{FILE}", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return ALL


__all__ = ["App", "Case", "case", "load", "plain"]
