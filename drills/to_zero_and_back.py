"""After the window nothing runs; the next request starts it again, three times over."""

import time

from lib import Forebay, check, service, until

HOST = "hello.default.localhost"


def drill() -> str:
    with Forebay(service("hello", scaling_window="6s")) as forebay:
        forebay.save(service("hello", mark=forebay.mark, scaling_window="6s"))
        until("the marked revision", lambda: forebay.get(HOST)[0] == 200 and forebay.replicas())
        starts, stops = [], []
        for _ in range(3):
            quiet = time.monotonic()
            until("zero replicas", lambda: not forebay.replicas(), 60)
            stops.append(time.monotonic() - quiet)
            began = time.monotonic()
            status, _ = forebay.get(HOST)
            starts.append(time.monotonic() - began)
            check(status == 200, f"status {status}")
        return f"at zero after {max(stops):.1f} s at most; back within {max(starts) * 1000:.0f} ms at most"
