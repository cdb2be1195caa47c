"""What processes cost: CPU seconds and peak resident memory of pods and of the control plane, from /proc."""

import collections
import os
import pathlib
import re
import threading

from . import places

TICKS = os.sysconf("SC_CLK_TCK")
EVERY = 0.5  # seconds between looks at resident memory


class Usage:
    """From its making to `rows`. Pods whose `NAMESPACE_POD` matches `pods` are measured, also those that come later."""

    def __init__(self, pods: str):
        self.pattern = re.compile(pods)
        self.pids, self.begin, self.peak = {}, {}, collections.Counter()
        self.last = {}
        self.find()
        self.begin = {name: cpu(pid) or 0.0 for name, pid in self.pids.items()}
        self.stopped = threading.Event()
        threading.Thread(target=self.sample, daemon=True).start()

    def find(self):
        try:
            for path in places.STATE.glob("pods/*/*.pid"):
                if self.pattern.search(path.parent.name):
                    self.note(f"{path.parent.name}/{path.stem}", path)
        except OSError:
            pass  # a pod went while its folder was read; the next look finds the others
        for path in places.STATE.glob("*.pid"):
            self.note("cluster/" + path.stem, path)

    def note(self, name: str, path: pathlib.Path):
        try:
            self.pids[name] = int(path.read_text())
        except (OSError, ValueError):
            pass  # a pod that is just being made or removed

    def sample(self):
        while not self.stopped.wait(EVERY):
            self.look()

    def look(self):
        self.find()
        for name, pid in list(self.pids.items()):
            spent = cpu(pid)
            if spent is not None:
                self.last[name] = spent
                self.peak[name] = max(self.peak[name], rss(pid))

    def rows(self) -> list[dict]:
        """For each process: name, CPU seconds, peak and last resident memory in MiB."""
        self.look()
        self.stopped.set()
        return [
            {"name": name, "cpu_s": round(spent - self.begin.get(name, 0.0), 2),
             "peak_mib": round(self.peak[name] / 1024, 1), "now_mib": round(rss(self.pids[name]) / 1024, 1)}
            for name, spent in sorted(self.last.items())
        ]


def cpu(pid: int) -> float | None:
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    except OSError:
        return None


def rss(pid: int) -> int:
    """Resident memory in KiB, 0 for a process that ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    except OSError:
        return 0
