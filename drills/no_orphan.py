"""kill -9 of forebay: within seconds no process of it is left, its port is free, and it starts again on its state."""

import socket

from lib import Forebay, check, service, until


def drill() -> str:
    with Forebay(service("hello") + "---\n" + service("second")) as forebay:
        for name in ("hello", "second"):
            check(forebay.get(f"{name}.default.localhost")[0] == 200, f"{name} answers")
        before = forebay.processes()
        check(len(before) >= 2, f"replicas that run: {before}")
        port = forebay.port
        forebay.kill()
        until("no process of it to be left", lambda: not forebay.processes(), 15)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        forebay.start()
        check(forebay.get("hello.default.localhost")[0] == 200, "it answers again")
        return f"{len(before)} processes gone"
