"""Probes and hooks of containers: one look each, over the pod's own address. Knows nothing of what follows from it."""

import socket
import ssl
import subprocess
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection

UNVERIFIED = ssl._create_unverified_context()


def look(probe: dict, ip: str, ports: list[dict], user_agent: str, run: Callable[[list[str], float], int]) -> bool:
    """Whether `probe` (or a hook) succeeds. `run` runs a command in the container and returns its exit code.

    A gRPC probe is answered by a TCP connect.
    """
    timeout = probe.get("timeoutSeconds", 1)
    try:
        if "httpGet" in probe:
            return get(probe["httpGet"], ip, ports, user_agent, timeout)
        if "tcpSocket" in probe or "grpc" in probe:
            port = number((probe.get("tcpSocket") or probe["grpc"])["port"], ports)
            socket.create_connection((ip, port), timeout).close()
        elif "exec" in probe:
            return run(probe["exec"]["command"], timeout) == 0
    except (OSError, HTTPException, StopIteration, subprocess.TimeoutExpired):
        return False
    return True


def get(spec: dict, ip: str, ports: list[dict], user_agent: str, timeout: float) -> bool:
    host, port = spec.get("host", ip), number(spec["port"], ports)
    if spec.get("scheme") == "HTTPS":
        connection = HTTPSConnection(host, port, timeout=timeout, context=UNVERIFIED)
    else:
        connection = HTTPConnection(host, port, timeout=timeout)
    headers = {h["name"]: h["value"] for h in spec.get("httpHeaders", [])}
    try:
        connection.request("GET", spec.get("path", "/"), headers={"User-Agent": user_agent, **headers})
        return 200 <= connection.getresponse().status < 400
    finally:
        connection.close()


def number(port: int | str, ports: list[dict]) -> int:
    if isinstance(port, str) and not port.isdigit():
        return next(p["containerPort"] for p in ports if p.get("name") == port)
    return int(port)
