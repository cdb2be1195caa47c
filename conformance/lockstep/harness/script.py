"""What a request asks the backend to do: the field `x-do`, steps parted by `;`, tries parted by `|`."""


class Script:
    """One answer. Without words: 200, the backend's name, a length."""

    def __init__(self, words: str):
        self.status, self.body, self.headers, self.trailers = 200, None, [], []
        self.interim, self.wait, self.slow, self.raw = [], 0.0, 0.0, None
        self.end, self.framing, self.early, self.upgrade, self.stay = "whole", "length", False, False, True
        self.code, self.cut, self.pause_body = 0, None, 0.0
        for word in words.split(";"):
            if word.strip():
                verb, _, rest = word.strip().partition(" ")
                self._take(verb, rest.strip())

    def _take(self, verb: str, rest: str) -> None:
        if verb.isdigit() and int(verb) >= 200:
            self.status = int(verb)
        elif verb == "header":
            name, _, value = rest.partition(" ")
            self.headers.append((name, value))
        elif verb == "trailer":
            name, _, value = rest.partition(" ")
            self.trailers.append((name, value))
            self.framing = "chunked"
        elif verb in ("100", "102", "103"):
            self.interim.append((int(verb), [tuple(rest.split(" ", 1))] if rest else []))
        elif verb == "body":
            self.body = rest
        elif verb == "size":
            self.body = "0123456789abcdef" * (int(rest) // 16) + "x" * (int(rest) % 16)
        elif verb == "wait":
            self.wait = float(rest)
        elif verb == "slow":
            self.slow = float(rest)
        elif verb in ("chunked", "untilclose", "nothing"):
            self.framing = verb
        elif verb in ("close", "reset"):
            self.end = verb
        elif verb == "cut":
            # Half the body, then: close, reset, stall.
            self.cut = rest or "close"
        elif verb == "last":
            self.stay = False
        elif verb == "early":
            self.early = True
        elif verb == "upgrade":
            self.upgrade = True
        elif verb == "raw":
            self.raw = rest.encode().decode("unicode_escape").encode("latin-1")
        elif verb == "rst":
            self.end, self.code = "rst", int(rest or 0)
        elif verb == "goaway":
            self.end = "goaway"
        elif verb == "grpc":
            status, _, message = rest.partition(" ")
            self.headers.append(("content-type", "application/grpc"))
            self.trailers += [("grpc-status", status)] + ([("grpc-message", message)] if message else [])
            self.body, self.framing = self.body or "", "chunked"
        else:
            raise ValueError(f"the backend knows no {verb!r}")


def script(words: str, attempt: int) -> Script:
    tries = words.split("|")
    return Script(tries[min(attempt, len(tries) - 1)])
