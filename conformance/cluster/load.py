"""A bounded load of HTTP/1.1 clients, and what they saw. Knows an address and a host, nothing of clusters.

Each client does what real ones do: it keeps its connection until it is told `Connection: close` or finds it closed
before it sends. Whatever goes wrong after the first byte of a request is a failed request.
"""

import collections
import http.client
import json
import select
import sys
import threading
import time

PAUSE = 0.03  # seconds between two requests of one client: the load is there to be cut, not to fill the machine
PATIENCE = 10  # seconds until an answer is missed


class Load:
    def __init__(self, address: str, host: str, clients: int, fresh: int):
        """`clients` keep their connections, `fresh` more make one for every request."""
        self.address, self.host = address, host
        self.stopped, self.lock = threading.Event(), threading.Lock()
        self.answers, self.slowest, self.connections, self.reasons = collections.Counter(), 0.0, 0, []
        self.threads = [threading.Thread(target=self.client, args=(i < clients,)) for i in range(clients + fresh)]
        for thread in self.threads:
            thread.start()

    def client(self, keep: bool):
        connection = None
        while not self.stopped.is_set():
            if connection is None or idle_end(connection):
                connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
            began, fresh = time.monotonic(), connection.sock is None
            try:
                connection.request("GET", "/", headers={"Host": self.host, **({} if keep else {"Connection": "close"})})
                response = connection.getresponse()
                response.read()
                answer = str(response.status)
                reason = "" if response.status == 200 else f"{response.status} {response.headers.items()}"
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                answer = type(error).__name__
                reason = f"{error} on a {'new' if fresh else 'kept'} connection"
                connection.close()
                connection = None
            with self.lock:
                self.answers[answer] += 1
                self.connections += fresh
                self.slowest = max(self.slowest, time.monotonic() - began)
                if reason and len(self.reasons) < 20:
                    self.reasons.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {answer}: {reason}")
            self.stopped.wait(PAUSE)
        if connection:
            connection.close()

    def end(self) -> dict:
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        total = sum(self.answers.values())
        return {"requests": total, "failed": total - self.answers["200"], "answers": dict(self.answers),
                "connections": self.connections, "slowest_s": round(self.slowest, 3), "reasons": self.reasons}


def idle_end(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed a connection on which nothing is awaited."""
    if connection.sock is None:
        return False
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)


if __name__ == "__main__":  # ADDRESS HOST CLIENTS FRESH: runs until its standard input ends
    load = Load(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    sys.stdin.read()
    print(json.dumps(load.end()))
