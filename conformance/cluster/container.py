"""One container of a pod as a process: started in the pod's network namespace with mounts of its own, watched, ended.

Knows nothing of the API server but the shape of a container status.
"""

import os
import pathlib
import shlex
import signal
import subprocess
import time
from collections.abc import Callable

from . import places, probes
from .volumes import Volumes, expand


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Container:
    def __init__(self, spec: dict, policy: str, log_file: pathlib.Path, log: Callable):
        self.spec, self.name, self.policy, self.log_file, self.log = spec, spec["name"], policy, log_file, log
        self.proc: subprocess.Popen | None = None
        self.ip, self.env, self.user_agent = "", {}, ""
        self.restarts, self.started_at, self.restart_at = 0, None, 0.0
        self.exited, self.terminated = False, None  # the latter describes the last process that ended
        self.waiting = "ContainerCreating"
        self.started, self.ready, self.failures, self.next_probe = False, False, 0, 0.0
        self.health, self.unhealthy, self.next_health = None, 0, 0.0
        self.termination_grace = 30

    # ---- process ------------------------------------------------------------------------------
    def start(self, command: str, netns: str, volumes: Volumes):
        self.env, self.ip = volumes.environment(self.spec), volumes.ip
        script = ["set -e", "mount -t tmpfs tmpfs /dev/shm", "hostname " + shlex.quote(volumes.name),
                  *self.mounts(volumes)]
        if self.spec.get("workingDir"):
            script.append("cd " + shlex.quote(self.spec["workingDir"]))
        script.append(command)
        # command[0] is taken for the image's own program, which the image table names.
        args = [expand(a, self.env) for a in self.spec.get("command", [])[1:] + self.spec.get("args", [])]
        with open(self.log_file, "ab") as out:
            self.proc = subprocess.Popen(
                ["nsenter", "--net=/run/netns/" + netns, "unshare", "--mount", "--uts", "sh", "-c",
                 "\n".join(script), "sh", *args],
                env=self.env, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        volumes.write(self.name + ".pid", str(self.proc.pid))
        self.log(self.name, "started")
        self.started_at, self.exited, self.ready, self.failures, self.next_probe = now(), False, False, 0, 0.0
        self.watch_health("startupProbe" if "startupProbe" in self.spec else "livenessProbe")

    def mounts(self, volumes: Volumes) -> list[str]:
        wanted = [(volumes.dir / "resolv.conf", "/etc/resolv.conf"), (volumes.dir / "hosts", "/etc/hosts")]
        if volumes.account:
            wanted.append((volumes.account, "/var/run/secrets/kubernetes.io/serviceaccount"))
        for mount in self.spec.get("volumeMounts", []):
            if source := volumes.paths.get(mount["name"]):
                wanted.append((source / mount["subPath"] if "subPath" in mount else source, mount["mountPath"]))
        lines = []
        for source, target in wanted:
            quoted, parent = shlex.quote(target), os.path.dirname(target)
            if source.is_dir():
                ensure_mount_point(target)
            else:  # a file: where there is none yet, this container sees an otherwise empty directory
                ensure_mount_point(parent)
                parent = shlex.quote(parent)
                lines.append(f"[ -e {quoted} ] || {{ mountpoint -q {parent} || mount -t tmpfs tmpfs {parent}; "
                             f": >{quoted}; }}")
            lines.append(f"mount --bind {shlex.quote(str(source))} {quoted}")
        return lines

    def running(self) -> bool:
        return self.proc is not None and self.proc.poll() is None

    def run(self, argv: list[str], timeout: float) -> int:
        """Runs a command beside the container's process, with its mounts and its network."""
        return subprocess.run(["nsenter", "-t", str(self.proc.pid), "--net", "--mount", *argv], env=self.env,
                              capture_output=True, timeout=timeout).returncode

    def signal(self, number: int):
        if self.running():
            try:
                os.killpg(self.proc.pid, number)
            except ProcessLookupError:
                pass

    def note_end(self):
        """Notes how the process ended, and when it is to be started again."""
        code = self.proc.returncode if self.proc.returncode >= 0 else 128 - self.proc.returncode
        self.log(self.name, "ended with", code)
        self.exited, self.ready = True, False
        self.terminated = {"exitCode": code, "reason": "Error" if code else "Completed",
                           "startedAt": self.started_at, "finishedAt": now()}
        if code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            self.terminated["message"] = self.log_file.read_bytes()[-2048:].decode(errors="replace")
        if self.policy == "Always":
            self.restart_at = time.monotonic() + min(10, 0.5 * 2**self.restarts)

    def end(self, grace: float, at_once: Callable[[], bool]):
        """preStop hook, SIGTERM, SIGKILL: each container goes through them on its own, as with a real kubelet."""
        deadline = time.monotonic() + grace

        def over() -> bool:
            return not self.running() or at_once() or time.monotonic() >= deadline

        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook and not over():
            argv = (hook.get("exec") or {}).get("command")
            if argv:
                running = subprocess.Popen(["nsenter", "-t", str(self.proc.pid), "--net", "--mount", *argv],
                                           env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                           start_new_session=True)
                while running.poll() is None and not over():
                    time.sleep(0.05)
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait()
            else:
                self.look({**hook, "timeoutSeconds": grace})
        self.signal(signal.SIGTERM)
        while not over():
            time.sleep(0.05)
        self.signal(signal.SIGKILL)
        self.proc.wait()

    # ---- probes -------------------------------------------------------------------------------
    def look(self, probe: dict) -> bool:
        return probes.look(probe, self.ip, self.spec.get("ports", []), self.user_agent, self.run)

    def watch_health(self, kind: str):
        """From now on `kind` decides about restarts; until start-up is done no other probe runs."""
        self.health, self.unhealthy, self.started = self.spec.get(kind), 0, kind != "startupProbe"
        self.next_health = time.monotonic() + (self.health or {}).get("initialDelaySeconds", 0)

    def healthy(self) -> bool:
        """Looks at the liveness or start-up probe; False when the container is to be ended."""
        self.next_health = time.monotonic() + self.health.get("periodSeconds", 10)
        if self.look(self.health):
            self.unhealthy = 0
            if not self.started:
                self.watch_health("livenessProbe")
            return True
        self.unhealthy += 1
        if self.unhealthy < self.health.get("failureThreshold", 3):
            return True
        self.log(self.name, "unhealthy: killed")
        self.health = None
        return False

    def check_ready(self):
        """Until its first success a readiness probe is tried every 20 ms: waiting for it is not what is measured."""
        probe = self.spec.get("readinessProbe")
        if not probe or self.look(probe):
            if not self.ready:
                self.log(self.name, "ready")
            self.ready, self.failures = True, 0
            self.next_probe = time.monotonic() + (probe.get("periodSeconds", 10) if probe else 3600)
            return
        self.failures += 1
        if self.ready and self.failures >= probe.get("failureThreshold", 3):
            self.log(self.name, "no longer ready")
            self.ready = False
        self.next_probe = time.monotonic() + (1 if self.ready else 0.02 if self.failures < 250 else 0.5)

    def status(self) -> dict:
        if self.proc is None:
            state = {"waiting": {"reason": self.waiting}}
        elif not self.exited:
            state = {"running": {"startedAt": self.started_at}}
        elif self.restart_at:
            state = {"waiting": {"reason": "CrashLoopBackOff"}}
        else:
            state = {"terminated": self.terminated}
        last = {"terminated": self.terminated} if self.terminated and "terminated" not in state else {}
        image = self.spec["image"]
        return {"name": self.name, "image": image, "imageID": image, "ready": self.ready,
                "restartCount": self.restarts, "started": self.started, "state": state, "lastState": last}


def ensure_mount_point(target: str):
    """Makes a missing mount point on the machine's own tree, and notes it: taking the cluster down removes it."""
    missing, path = [], target
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    if missing:
        with open(places.STATE / "made-dirs", "a") as notes:
            notes.writelines(p + "\n" for p in missing)
        os.makedirs(target, exist_ok=True)
