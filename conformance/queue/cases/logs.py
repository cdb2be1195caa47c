"""The process log: what is said when it starts, serves, fails and ends, by the words that people look for."""

import asyncio
import json
import signal

from harness.app import PLAIN
from harness.cases import case
from harness.client import get
from harness.side import ADMIN

# config-logging as Knative ships it.
SHIPPED = json.dumps({
    "level": "info", "development": False, "outputPaths": ["stdout"], "errorOutputPaths": ["stderr"], "encoding": "json",
    "encoderConfig": {
        "timeKey": "timestamp", "levelKey": "severity", "nameKey": "logger", "callerKey": "caller", "messageKey": "message",
        "stacktraceKey": "stacktrace", "lineEnding": "", "levelEncoder": "", "timeEncoder": "iso8601", "durationEncoder": "",
        "callerEncoder": "",
    },
})
# Behind these words stands what no two programs share: addresses in memory, counts of the kernel.
LOOSE = ("Attached drain handler from user-container", "Starting to watch the following directories for changes",
         "error reverse proxying request; sockstat: ", "Runtime profiling enabled")
# What the reference says of its own build, and of the logger itself.
OWN = ("Unable to read vcs.revision from binary", "Successfully created the logger.", "Logging level set to: debug")
# Of these the order is that of a map of Go's.
UNORDERED = ("Starting ", "Shutting down server: ")


def lines(output: str, name: str = "message") -> list[dict]:
    """The lines without what names a moment or a place in the source."""
    found = []
    for line in output.splitlines():
        if not line.startswith("{"):
            continue
        said = json.loads(line)
        for key in ("timestamp", "caller", "stacktrace"):
            said.pop(key, None)
        words = said.get(name, "")
        if words in OWN:
            continue
        said[name] = next((loose for loose in LOOSE if words.startswith(loose)), words)
        found.append(said)
    return [*sorted((line for line in found if line.get(name, "").startswith(UNORDERED)), key=str),
            *[line for line in found if not line.get(name, "").startswith(UNORDERED)]]


async def over(side) -> None:
    """Ends it at once; what it has said."""
    if side.process.returncode is None:
        side.signal()
        # It says that it heard, which is the last of what is compared.
        await asyncio.sleep(0.5)
    out, err = await side.stop()
    side.note("standard output", lines(out))
    side.note("standard error", lines(err))


async def slow(wire, request, number):
    await asyncio.sleep(3)
    await wire.send(PLAIN)


async def drops(wire, request, number):
    raise ConnectionResetError


def told(name, *requests, app=None, more=None, **environment):
    @case(name, app=app, **environment)
    async def run(side, app):
        for data in requests:
            await side.ask(data)
        if more:
            await more(side)
        await over(side)


told("starts and is told to end")
told("as Knative ships it", SERVING_LOGGING_CONFIG=SHIPPED)
told("a level of its own", get("/"), SERVING_LOGGING_CONFIG=SHIPPED, SERVING_LOGGING_LEVEL="error")
told("a level that is debug", SERVING_LOGGING_CONFIG=SHIPPED, SERVING_LOGGING_LEVEL="debug")
told("a configuration that is none", SERVING_LOGGING_CONFIG="{")
told("a breaker", CONTAINER_CONCURRENCY="7")
told("profiling", OBSERVABILITY_CONFIG=json.dumps({"runtime": {"profiling": "enabled"}}))
told("the app is not there", get("/"))
told("a request that takes too long", get("/"), app=slow, REVISION_TIMEOUT_SECONDS="1")
told("an answer that begins too late", get("/"), app=slow, REVISION_RESPONSE_START_TIMEOUT_SECONDS="1")
told("an answer that is idle for too long", get("/"), app=slow, REVISION_IDLE_TIMEOUT_SECONDS="1")


async def waits(side):
    asked = asyncio.ensure_future(side.ask(get("/wait-for-drain"), ADMIN))
    await asked


told("the app's container ends", more=waits)


@case("a port in use", app=None, starts=False)
async def in_use(side, app):
    server = await asyncio.start_server(lambda r, w: None, "0.0.0.0", 8022)
    await side.start({"SERVING_LOGGING_CONFIG": SHIPPED}, until=None)
    side.note("exit", await side.wait(20))
    server.close()
    out, _ = await side.stop()
    side.note("errors", [line for line in lines(out) if line["severity"] == "error"])


@case("a whole life", SERVING_LOGGING_CONFIG=SHIPPED)
async def whole(side, app):
    await side.ask(get("/"))
    side.signal(signal.SIGTERM)
    side.note("exit", await side.wait(60))
    out, err = await side.stop()
    side.note("standard output", lines(out))
    side.note("standard error", lines(err))
