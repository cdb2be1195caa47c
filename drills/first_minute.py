"""The README's two commands, as they stand there: start, ask by name, ask why."""

import os
import re
import signal
import subprocess
import tempfile
import time

from lib import FOREBAY, PATIENCE, REPOSITORY, check, run

TOOLS = ["curl"]


def drill() -> str:
    with tempfile.TemporaryDirectory(prefix="forebay-drill-") as home:
        return as_written(home)


def as_written(home: str) -> str:
    environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": home}
    began = time.monotonic()
    process = subprocess.Popen(
        [FOREBAY, "up", "examples/hello/service.yaml"],
        cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if re.search(r"http://hello\.default\.localhost:8080", line):
                break
        shown = time.monotonic() - began
        check(process.poll() is None, "it ended: " + "".join(said))
        answer = run("curl", "-sS", "--fail", "--max-time", str(PATIENCE), "http://hello.default.localhost:8080")
        check(answer == "Hello Knative!\n", f"it answered {answer!r}")
        words = run(FOREBAY, "explain", "http://hello.default.localhost:8080/x")
        check("hello-00001" in words, f"explain said {words!r}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    check(process.returncode == 0, f"it left with {process.returncode}")
    check(shown < 5, f"the address was printed after {shown:.1f} s")
    return f"address after {shown * 1000:.0f} ms"
