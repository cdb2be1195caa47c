"""The environment, good and bad."""

from harness.cases import case
from harness.side import ENVIRONMENT


def refused(name, said=True, **environment):
    @case(name, app=None, starts=False)
    async def run(side, app):
        await side.start(environment, until=None)
        side.note("exit", await side.wait(20))
        _, err = await side.stop()
        if said:
            side.note("words", err.strip())


# The reference finds these wrong after it has begun to log.
UNSAID = ("QUEUE_SERVING_PORT", "SERVING_READINESS_PROBE", "OBSERVABILITY_CONFIG")

for key in ENVIRONMENT:
    if key not in ("PATH", "SERVING_SERVICE"):
        refused(f"without {key}", **{key: None})
for key, value in [
    ("CONTAINER_CONCURRENCY", ""),
    ("CONTAINER_CONCURRENCY", "ten"),
    ("CONTAINER_CONCURRENCY", "1.5"),
    ("REVISION_TIMEOUT_SECONDS", "5s"),
    ("REVISION_IDLE_TIMEOUT_SECONDS", ""),
    ("REVISION_RESPONSE_START_TIMEOUT_SECONDS", "99999999999999999999"),
    ("ENABLE_HTTP_FULL_DUPLEX", "yes"),
    ("ENABLE_HTTP2_AUTO_DETECTION", ""),
    ("ENABLE_MULTI_CONTAINER_PROBES", "2"),
    ("QUEUE_SERVING_PORT", "http-alt-that-nobody-knows"),
    ("SERVING_READINESS_PROBE", "{"),
    ("SERVING_READINESS_PROBE", "[]"),
    ("OBSERVABILITY_CONFIG", "{"),
]:
    refused(f"{key}={value!r}", said=key not in UNSAID, **{key: value})


@case("a number in hexadecimal", CONTAINER_CONCURRENCY="0x10")
async def hexadecimal(side, app):
    from harness.client import get

    side.note("response", await side.ask(get("/")))


@case("a port in use", app=None, starts=False)
async def in_use(side, app):
    import asyncio

    server = await asyncio.start_server(lambda r, w: None, "0.0.0.0", 8022)
    await side.start({}, until=None)
    side.note("exit", await side.wait(20))
    server.close()
