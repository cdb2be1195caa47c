"""A small HTTP/1.1 request on connections that stand costs four system calls: read and write on each side."""

import pathlib
import re
import subprocess
import time

from lib import Forebay, check, hey, service, until

TOOLS = ["hey", "strace"]

REQUESTS = 4000
# Opening and closing the eight connections, reports of load and timers come on top of the four; a tenth is room for them
# and too little for a fifth call.
AT_MOST = 4.1
# What reads and writes sockets, whichever way; waiting for events and waking threads depend on the load, not on the request.
CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fcntl,ioctl,setsockopt,getsockopt,shutdown,getpeername,getsockname"


def drill() -> str:
    with Forebay(service("hello"), "--workers", "1") as forebay:
        hey(forebay, "hello.default.localhost", "-n", "400", "-c", "8").all_ok(400)
        counting = subprocess.Popen(
            ["strace", "-f", "-qq", "-c", "-U", "name,calls", "-e", f"trace={CALLS}", "-p", str(forebay.pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            until("strace to be attached", lambda: is_traced(forebay.pid))
            time.sleep(0.2)
            hey(forebay, "hello.default.localhost", "-n", str(REQUESTS), "-c", "8").all_ok(REQUESTS)
        finally:
            counting.terminate()
            text, _ = counting.communicate(timeout=30)
        total = re.search(r"^\s*total\s+(\d+)|^\s*(\d+)\s+total", text, re.MULTILINE)
        check(total is not None, f"strace said: {text}")
        each = int(total[1] or total[2]) / REQUESTS
        check(each <= AT_MOST, f"{each:.2f} system calls a request:\n{text}")
        return f"{each:.2f} system calls a request"


def is_traced(pid: int) -> bool:
    """Whether every thread has its tracer."""
    threads = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    return all("TracerPid:\t0\n" not in (thread / "status").read_text() for thread in threads)
