"""HTTP/1 as bytes, for both ends; what `lockstep` has for it, and messages as they are compared."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from lockstep.harness.http1 import Gone, Head, Wire, chunks, head  # noqa: E402, F401


def shown(fields) -> dict[str, list[str]]:
    """Fields by their names in lower case: HTTP/1 does not tell the cases apart, and says nothing of the order of names."""
    named: dict[str, list[str]] = {}
    for name, value in fields:
        named.setdefault(name.lower(), []).append(value)
    return {name: named[name] for name in sorted(named)}


async def body(wire, head) -> tuple[bytes, list]:
    """A request's body and trailers."""
    into = bytearray()
    if head.has("transfer-encoding", "chunked"):
        trailers = await chunks(wire, into)
        return bytes(into), trailers
    length = head.values("content-length")
    return (await wire.exactly(int(length[0])) if length else b""), []
