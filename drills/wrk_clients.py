"""wrk for five seconds with 32 connections: every answer is a 200 and no socket fails."""

import re

from lib import Forebay, check, run, service

TOOLS = ["wrk"]


def drill() -> str:
    with Forebay(service("hello")) as forebay:
        text = run("wrk", "-t1", "-c32", "-d5s", "--latency", "-H", "Host: hello.default.localhost", forebay.url())
        check("Non-2xx" not in text and "Socket errors" not in text, text)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
        tail = re.search(r"99%\s+(\S+)", text)
        check(bool(rate and tail), text)
        return f"{rate[1]}/s, p99 {tail[1]}"
