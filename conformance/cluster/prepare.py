"""Before a run: is this a machine that it can run on, is no other run going on, is everything built."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess

from . import places
from .control import Failure

class Unable(Failure):
    """The machine does not let a cluster be made: no root, no network namespaces."""


TOOLS = {"go": "golang-go", "ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux", "openssl": "openssl",
         "curl": "curl", "mount": "mount"}


def check_machine():
    """Root, the tools, and the right to make a network namespace and a bridge; installs tools where it may."""
    if os.geteuid() != 0:
        raise Unable("it needs root: it makes network namespaces and mounts")
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing and shutil.which("apt-get"):
        print("conformance: installing", *missing, flush=True)
        # The package lists of a fresh machine are empty; those of an old one may still do.
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], capture_output=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if missing := sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)}):
        raise Failure(f"needs {', '.join(missing)}")
    try_namespace()


def try_namespace():
    """One namespace with a bridge and a mount of its own, made and removed: what containers without rights refuse."""
    name = places.NETNS + "-try"
    script = f"ip -n {name} link add br0 type bridge && ip netns exec {name} unshare --mount mount -t tmpfs none /mnt"
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    try:
        for argv in (["ip", "netns", "add", name], ["sh", "-c", script]):
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode:
                raise Unable(f"it refuses network namespaces, bridges or mounts: {done.stderr.strip()}")
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


@contextlib.contextmanager
def alone():
    """The cluster's names are the machine's: one run at a time, told apart by a lock that ends with its process."""
    places.CACHE.mkdir(parents=True, exist_ok=True)
    with open("/run/forebay-conformance.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("another run is going on, on this machine") from None
        yield


def build(parts: list[str]):
    try:
        subprocess.run([places.HERE / "build", places.PARTS, *parts], check=True)
    except subprocess.CalledProcessError as error:
        raise Failure(f"conformance/build {' '.join(parts)} ended with {error.returncode}") from None


def gateway(name: str) -> pathlib.Path:
    """The program that takes Envoy's place: the reference itself, $FOREBAY, or what cargo builds."""
    if name == "envoy":
        return places.PARTS / "envoy"
    if given := os.environ.get("FOREBAY"):
        return pathlib.Path(given)
    command = ["cargo", "build", "--release", "--bin", "forebay"]
    if subprocess.run(command, cwd=places.REPOSITORY).returncode:
        raise Failure("cargo build --release failed")
    target = os.environ.get("CARGO_TARGET_DIR") or places.REPOSITORY / "target"
    return (places.REPOSITORY / target).resolve() / "release" / "forebay"


def sidecar() -> pathlib.Path:
    """The program of the queue-proxy's image: $FOREBAY_SIDECAR, or what its recipe builds."""
    if given := os.environ.get("FOREBAY_SIDECAR"):
        return pathlib.Path(given)
    built = subprocess.run([places.REPOSITORY / "deploy/build-queue-proxy"], stdout=subprocess.PIPE, text=True)
    if built.returncode:
        raise Failure("deploy/build-queue-proxy failed")
    return pathlib.Path(built.stdout.strip())
