"""One of two replicas is killed under load, five times: at most what was in flight on it fails, as 502 or 503."""

import os
import signal
import subprocess
import time

from lib import Forebay, Hey, check, service, until

TOOLS = ["hey"]
HOST = "hello.default.localhost"
CLIENTS = 10
KILLS = 5


def drill() -> str:
    with Forebay(service("other")) as forebay:
        scale = {"scaling_initial_scale": "2", "scaling_min_scale": "2"}
        forebay.save(service("hello", mark=forebay.mark, **scale), "hello.yaml")
        until("two replicas", lambda: len(forebay.replicas()) == 2)
        until("an answer", lambda: forebay.get(HOST)[0] == 200)
        command = ["hey", "-z", "120s", "-c", str(CLIENTS), "-host", HOST, forebay.url("/sleep?ms=2")]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for _ in range(KILLS):
                time.sleep(1)
                os.kill(forebay.replicas()[0], signal.SIGKILL)
                until("two replicas again", lambda: len(forebay.replicas()) == 2)
            time.sleep(1)
        finally:
            load.send_signal(signal.SIGINT)
            text, _ = load.communicate(timeout=60)
        answers = Hey(text)
        failed = {code: count for code, count in answers.statuses.items() if code != 200}
        check(not answers.broken, f"a failure is an answer: {answers.broken}")
        check(set(failed) <= {502, 503}, f"statuses: {answers.statuses}")
        check(sum(failed.values()) <= KILLS * CLIENTS, f"more failed than were in flight: {answers.statuses}")
        return f"{KILLS} kills: {sum(failed.values())} of {answers.total} failed"
