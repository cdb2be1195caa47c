"""A bounded load of clients, and what they saw. Knows addresses and a host, nothing of clusters.

Each client does what real ones do: it keeps its connection until it is told `Connection: close` or GOAWAY, or finds it
closed before it sends. Whatever goes wrong after the first byte of a request is a failed request, but for streams that an
HTTP/2 connection says it has not carried out: those are asked for again.
"""

import collections
import http.client
import json
import select
import socket
import ssl
import sys
import threading
import time

from . import h2

PAUSE = 0.03  # seconds between two requests of one client: the load is there to be cut, not to fill the machine
PATIENCE = 10  # seconds until an answer is missed
STREAMS = 3  # at once on one HTTP/2 connection
KINDS = {"HTTP/1.1": (False, False), "h2c": (False, True), "HTTP/1.1 over TLS": (True, False), "HTTP/2 over TLS": (True, True)}


class Load:
    def __init__(self, address: str, host: str, kind: str, clients: int, fresh: int):
        """`clients` keep their connections, `fresh` more make one for every request."""
        self.address, self.host = address, host
        self.tls, self.h2 = KINDS[kind]
        self.stopped, self.lock = threading.Event(), threading.Lock()
        self.answers, self.slowest, self.connections, self.reasons = collections.Counter(), 0.0, 0, []
        client = self.client_h2 if self.h2 else self.client_h1
        self.threads = [threading.Thread(target=client, args=(i < clients,)) for i in range(clients + fresh)]
        for thread in self.threads:
            thread.start()

    def client_h1(self, keep: bool):
        connection = None
        while not self.stopped.is_set():
            began, fresh = time.monotonic(), False
            try:
                if connection is None or idle_end(connection.sock):
                    fresh = True
                    connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
                    connection.sock = self.dial()
                connection.request("GET", "/", headers={"Host": self.host, **({} if keep else {"Connection": "close"})})
                response = connection.getresponse()
                response.read()
                reason = "" if response.status == 200 else f"{response.status} {response.headers.items()}"
                self.saw(str(response.status), reason, began, fresh)
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failed(error, began, fresh)
                connection = close(connection)
            self.stopped.wait(PAUSE)
        close(connection)

    def client_h2(self, keep: bool):
        connection = None
        while not self.stopped.is_set():
            began, fresh = time.monotonic(), False
            try:
                if connection is None or not connection.usable():
                    close(connection)
                    connection, fresh = None, True
                    connection = h2.Connection(self.dial())
                for _ in range(connection.get(self.host, STREAMS)):
                    self.saw("200", "", began, fresh)
                    fresh = False
                if not keep:
                    connection = close(connection)
            except (OSError, h2.Broken) as error:
                self.failed(error, began, fresh)
                connection = close(connection)
            self.stopped.wait(PAUSE)
        close(connection)

    def dial(self) -> socket.socket:
        stream = socket.create_connection((self.address, 443 if self.tls else 80), PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return stream
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        wanted = "h2" if self.h2 else "http/1.1"
        context.set_alpn_protocols([wanted])
        secure = context.wrap_socket(stream, server_hostname=self.host)
        if secure.selected_alpn_protocol() != wanted:
            raise OSError(f"ALPN chose {secure.selected_alpn_protocol()}")
        return secure

    def failed(self, error: Exception, began: float, fresh: bool):
        self.saw(type(error).__name__, f"{error} on a {'new' if fresh else 'kept'} connection", began, fresh)

    def saw(self, answer: str, reason: str, began: float, fresh: bool):
        with self.lock:
            self.answers[answer] += 1
            self.connections += fresh
            self.slowest = max(self.slowest, time.monotonic() - began)
            if reason and len(self.reasons) < 20:
                self.reasons.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {answer}: {reason}")

    def end(self) -> dict:
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        total = sum(self.answers.values())
        return {"requests": total, "failed": total - self.answers["200"], "answers": dict(self.answers),
                "connections": self.connections, "slowest_s": round(self.slowest, 3), "reasons": self.reasons}


def close(connection) -> None:
    if connection is not None:
        connection.close()


def idle_end(stream: socket.socket | None) -> bool:
    """Whether the other side has closed a connection on which nothing is awaited."""
    if stream is None:
        return True
    if not select.select([stream], [], [], 0)[0]:
        return False
    if not isinstance(stream, ssl.SSLSocket):
        return True
    # Session tickets come unasked as well: only an end is one.
    stream.settimeout(0)
    try:
        return stream.recv(1) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    finally:
        stream.settimeout(PATIENCE)


if __name__ == "__main__":  # ADDRESS HOST KIND CLIENTS FRESH: runs until its standard input ends
    load = Load(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    sys.stdin.read()
    print(json.dumps(load.end()))
