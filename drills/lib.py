"""What the drills share: a forebay that is started and ended by process id, the tools and what they say."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
FOREBAY = str((REPOSITORY / os.environ.get("FOREBAY", "target/release/forebay")).resolve())
PATIENCE = 60.0


class Failed(Exception):
    """What was promised did not happen."""


def check(so: bool, words: str) -> None:
    if not so:
        raise Failed(words)


def until(what: str, is_so, patience: float = PATIENCE):
    """Asks until the answer is true, and gives it."""
    end = time.monotonic() + patience
    while True:
        answer = is_so()
        if answer:
            return answer
        check(time.monotonic() < end, f"waited {patience:.0f} s for {what}")
        time.sleep(0.02)


class Forebay:
    """A `forebay up` with files of its own. Leaving the `with` ends it."""

    def __init__(self, manifest: str, *words: str):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="forebay-drill-"))
        self.mark = self.home.name
        self.manifests = self.home / "manifests"
        self.manifests.mkdir()
        self.save(manifest)
        self.words = words
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "DRILL_MARK": self.mark}
        command = [FOREBAY, "up", str(self.manifests), "--port", "0", "--admin-port", "0", "--log-format", "json"]
        command += ["--state", str(self.home / "state"), *self.words]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines = []
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        until("forebay to be ready", self._is_ready)
        self.port = int(self._said("listening")["address"].rsplit(":", 1)[1])
        self.admin = self._said("admin")["address"]

    def _read(self, process) -> None:
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _said(self, message: str):
        for line in list(self.lines):
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict) and value.get("msg") == message:
                    return value
        return None

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            time.sleep(0.1)
            raise Failed("forebay ended: " + "\n".join(self.lines[-20:]))
        return all(self._said(message) for message in ("listening", "admin", "ready"))

    def save(self, manifest: str, name: str = "app.yaml") -> None:
        """As an editor saves: a new file under the old name."""
        beside = self.home / "being-written"
        beside.write_text(manifest)
        beside.rename(self.manifests / name)

    @property
    def pid(self) -> int:
        return self.process.pid

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """Everything it started that lives, its companions included."""
        return [pid for pid in marked("DRILL_MARK=" + self.mark) if pid != self.pid]

    def replicas(self) -> list[int]:
        """What the manifests' mark is on and is not one of forebay's own companions."""
        words = lambda pid: _bytes(f"/proc/{pid}/cmdline").split(b"\0")
        return [pid for pid in marked("DRILL_REPLICA=" + self.mark) if b"__guard" not in words(pid)]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if kind:
            print("forebay's last lines:", *self.lines[-30:], sep="\n  ")


def marked(pair: str) -> list[int]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and pair.encode() in _bytes(entry / "environ").split(b"\0"):
            state = _bytes(entry / "stat").rpartition(b")")[2].split()
            if state and state[0] not in (b"Z", b"X"):
                found.append(int(entry.name))
    return found


def _bytes(path) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def resident(pid: int) -> int:
    """KiB."""
    match = re.search(rb"VmRSS:\s+(\d+)", _bytes(f"/proc/{pid}/status"))
    check(match is not None, f"process {pid} is gone")
    return int(match[1])


def service(name: str, revision: str = "", mark: str = "", traffic: str = "", concurrency: int = 0, **env: str) -> str:
    """A Service of the sample app; `scaling_*` are annotations, the rest variables."""
    scaling = {"initial-scale": "0"}
    for key in [key for key in env if key.startswith("scaling_")]:
        scaling[key.removeprefix("scaling_").replace("_", "-")] = env.pop(key)
    annotations = "".join(f"        autoscaling.knative.dev/{key}: {json.dumps(value)}\n" for key, value in scaling.items())
    variables = {"TARGET": revision or "World", **({"DRILL_REPLICA": mark} if mark else {}), **env}
    lines = "".join(f"        - {{name: {key}, value: {json.dumps(value)}}}\n" for key, value in variables.items())
    named = f"      name: {revision}\n" if revision else ""
    limited = f"      containerConcurrency: {concurrency}\n" if concurrency else ""
    return (
        f"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n"
        f"    metadata:\n{named}      annotations:\n{annotations}    spec:\n{limited}      containers:\n"
        f"      - image: example.com/hello:1\n        command: [{json.dumps(FOREBAY)}, sample, hello]\n        env:\n{lines}"
        + (f"  traffic:\n{traffic}" if traffic else "")
    )


def split(first: str, second: str, share: int = 50) -> str:
    """Traffic to the latest revision, `second` by name, and to `first`."""
    return f"  - {{latestRevision: true, percent: {100 - share}}}\n  - {{revisionName: {first}, percent: {share}}}\n"


def run(*command: str, patience: float = 300.0) -> str:
    """What it printed; a failure when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    check(done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


class Hey:
    """What `hey` said."""

    def __init__(self, text: str):
        self.text = text
        self.statuses = {int(code): int(count) for code, count in re.findall(r"\[(\d{3})\]\s+(\d+) responses", text)}
        slowest = re.search(r"Slowest:\s+([\d.]+) secs", text)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
        self.slowest = float(slowest[1]) if slowest else float("inf")
        self.rate = float(rate[1]) if rate else 0.0
        self.broken = text.partition("Error distribution:")[2].strip()

    @property
    def total(self) -> int:
        return sum(self.statuses.values())

    def all_ok(self, wanted: int = 0) -> None:
        check(not self.broken, f"hey saw errors: {self.broken}")
        check(set(self.statuses) == {200}, f"statuses: {self.statuses}")
        check(not wanted or self.total == wanted, f"{self.total} answers, not {wanted}")

    def words(self) -> str:
        return f"{self.total} × 200, slowest {self.slowest * 1000:.0f} ms, {self.rate:.0f}/s"


def hey(forebay: Forebay, host: str, *words: str, path: str = "/") -> Hey:
    return Hey(run("hey", "-host", host, *words, forebay.url(path)))
