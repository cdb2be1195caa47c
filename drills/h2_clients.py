"""nghttp and h2load over HTTP/2, and h2load over HTTP/1, to an HTTP/1 app: every request succeeds."""

import re

from lib import Forebay, check, run, service

TOOLS = ["h2load", "nghttp"]
HOST = "hello.default.localhost"


def drill() -> str:
    with Forebay(service("hello")) as forebay:
        text = run("nghttp", "-v", "-H", f":authority: {HOST}", forebay.url())
        check(":status: 200" in text and "Hello World!" in text, f"nghttp: {text[-500:]}")
        rates = []
        for words in (["-m", "32"], ["--h1"]):
            text = run("h2load", "-n", "20000", "-c", "16", *words, "-H", f":authority: {HOST}", forebay.url())
            found = re.search(r"requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored", text)
            check(bool(found) and found[2] == "20000", f"h2load {' '.join(words)}: {text}")
            check("status codes: 20000 2xx" in text, f"h2load {' '.join(words)}: {text}")
            rates.append(re.search(r"([\d.]+) req/s", text)[1])
        return f"h2load: h2 {rates[0]}/s, h1 {rates[1]}/s"
