"""One file with 5,000 Services: it starts, any of them answers, a change of one touches that one alone."""

import time

from lib import Forebay, check, resident, service, until

COUNT = 5_000


def drill() -> str:
    with Forebay(service("empty")) as forebay:
        forebay.get("empty.default.localhost")
        time.sleep(1)
        empty = resident(forebay.pid)
        began = time.monotonic()
        forebay.save("---\n".join(service(f"s{number}") for number in range(COUNT)), "many.yaml")
        until("the last to answer", lambda: forebay.get(f"s{COUNT - 1}.default.localhost")[0] == 200, 120)
        took = time.monotonic() - began
        check(forebay.get("s2500.default.localhost")[0] == 200, "one in the middle answers")
        each = (resident(forebay.pid) - empty) / COUNT
        forebay.save(service("empty", TARGET="changed"))
        began = time.monotonic()
        until("the change", lambda: forebay.get("empty.default.localhost")[1] == "Hello changed!\n")
        change = time.monotonic() - began
        return f"live after {took:.1f} s, {each:.1f} KiB each, a change live after {change * 1000:.0f} ms"
