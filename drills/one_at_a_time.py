"""containerConcurrency 1 with an app that fails when it sees two requests at once, 50 clients: none fails."""

from lib import Forebay, hey, service

TOOLS = ["hey"]


def drill() -> str:
    with Forebay(service("hello", concurrency=1, scaling_max_scale="4")) as forebay:
        answers = hey(forebay, "hello.default.localhost", "-n", "5000", "-c", "50", path="/strict?ms=5")
        answers.all_ok(5_000)
        return answers.words()
