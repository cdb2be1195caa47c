"""Cases as functions of a side: what they note is compared."""

import importlib
import pathlib
from dataclasses import dataclass, field
from typing import Callable

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


ALL: list[Case] = []
FILE = ""


def case(name: str, app=plain, reads_bodies: bool = True, starts: bool = True, **environment):
    """Registers a coroutine `(side, app)`. Without an `app` nothing listens on the user port; without `starts` the case starts
    the queue-proxy itself."""

    def register(run):
        ALL.append(Case(FILE, name, run, environment, app, reads_bodies, starts))
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
