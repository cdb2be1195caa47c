"""Twenty new revisions, then four edits of the percentages, under the load of 20 clients: no request fails."""

import signal
import subprocess

from lib import Forebay, Hey, check, service, split, until

TOOLS = ["hey"]
HOST = "shop.default.localhost"


def drill() -> str:
    with Forebay(service("shop", "shop-r0")) as forebay:
        check(forebay.get(HOST)[0] == 200, "the first revision answers")
        command = ["hey", "-z", "280s", "-c", "20", "-host", HOST, forebay.url()]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for number in range(1, 21):
                forebay.save(service("shop", f"shop-r{number}"))
                wanted = f"Hello shop-r{number}!\n"
                until(f"revision {number}", lambda: forebay.get(HOST)[1] == wanted)
            for share in (90, 50, 10, 0):
                forebay.save(service("shop", "shop-r20", traffic=split("shop-r19", "shop-r20", share)))
                until(f"{share} % to the older", lambda: abs(share_of(forebay, "shop-r19") - share) <= 15)
        finally:
            # hey prints what it has when it is interrupted.
            load.send_signal(signal.SIGINT)
            text, _ = load.communicate(timeout=60)
        answers = Hey(text)
        answers.all_ok()
        return f"20 rollouts, 4 edits; {answers.words()}"


def share_of(forebay: Forebay, revision: str) -> float:
    answers = [forebay.get(HOST) for _ in range(100)]
    check(all(status == 200 for status, _ in answers), f"statuses: {sorted({status for status, _ in answers})}")
    return sum(revision in body for _, body in answers)
