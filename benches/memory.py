#!/usr/bin/env python3
"""What Services at zero cost: memory, time to apply, and the bytes of one change. Usage: benches/memory.py [COUNT ...]

For each COUNT (1000 and 5000 unless told) an `up` without any gets so many Services at zero, all in one file. Resident
memory is the whole process's, taken once more after a restart on the same state directory. A change is one variable of one
Service in that file, which makes one new revision; what it costs on the stream is what the gateway counts
(`control_plane.rx_*` of /stats). Nothing passes or fails here.
"""

import json
import pathlib
import re
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "drills"))

from lib import Forebay, _bytes, resident, service, until  # noqa: E402

SETTLE = 3.0


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [1000, 5000]
    print("| Services | empty | then | each | each after a restart | applied in | change: bytes | resources | file read to obeyed |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        print(row(measure(count)), flush=True)


def measure(count: int) -> dict:
    """KiB, seconds, bytes."""
    with Forebay("") as forebay:
        time.sleep(SETTLE)
        empty, parts = resident(forebay.pid), split(forebay.pid)
        texts = [service(f"s{number}") for number in range(count)]
        began = time.monotonic()
        forebay.save("---\n".join(texts), "many.yaml")
        until("every Service to be told of", lambda: told(forebay) >= count, 600)
        applied = time.monotonic() - began
        time.sleep(SETTLE)
        full, later = resident(forebay.pid), split(forebay.pid)
        before = stream(forebay)
        texts[count // 2] = texts[count // 2].replace("World", "Moon")
        began = time.monotonic()
        forebay.save("---\n".join(texts), "many.yaml")
        until("the change", lambda: stream(forebay)["rx_resources"] > before["rx_resources"] or not before, 60)
        changed = time.monotonic() - began
        time.sleep(1)
        after = stream(forebay)
        forebay.stop()
        forebay.start()
        until("every Service to be told of again", lambda: told(forebay) >= count, 600)
        time.sleep(SETTLE)
        again = resident(forebay.pid)
    return {
        "count": count,
        "empty": empty,
        "full": full,
        "again": again,
        "applied": applied,
        "changed": changed,
        "bytes": after.get("rx_bytes", 0) - before.get("rx_bytes", 0),
        "resources": after.get("rx_resources", 0) - before.get("rx_resources", 0),
        "anonymous": (parts, later),
    }


def row(measured: dict) -> str:
    m = measured
    each, again = ((m[name] - m["empty"]) / m["count"] for name in ("full", "again"))
    return (
        f"| {m['count']} | {m['empty'] / 1024:.1f} MiB | {m['full'] / 1024:.1f} MiB | {each:.2f} KiB | {again:.2f} KiB | {m['applied']:.2f} s "
        f"| {m['bytes']} | {m['resources']} | {m['changed'] * 1000:.0f} ms |"
    )


def told(forebay: Forebay) -> int:
    return sum('"msg":"service"' in line for line in list(forebay.lines))


def split(pid: int) -> tuple[int, int]:
    """Anonymous memory, and what is mapped from files: the program itself."""
    text = _bytes(f"/proc/{pid}/status").decode()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) for name in ("RssAnon", "RssFile"))


def stream(forebay: Forebay) -> dict[str, int]:
    """What came over the stream so far."""
    with urllib.request.urlopen(f"http://{forebay.admin}/stats?filter=^control_plane&format=json") as answer:
        stats = json.load(answer)["stats"]
    return {stat["name"].removeprefix("control_plane."): stat["value"] for stat in stats if "name" in stat}


if __name__ == "__main__":
    main()
