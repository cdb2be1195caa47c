"""500 clients wait for an app that takes two seconds to start: 500 × 200."""

from lib import Forebay, hey, service

TOOLS = ["hey"]


def drill() -> str:
    with Forebay(service("hello", START_DELAY_MS="2000", scaling_max_scale="1")) as forebay:
        answers = hey(forebay, "hello.default.localhost", "-n", "500", "-c", "500")
        answers.all_ok(500)
        return answers.words()
