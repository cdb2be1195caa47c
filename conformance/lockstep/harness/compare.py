"""What came on one side beside what came on the other, once what is different by nature is taken out."""

import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w\w\w \d{4} \d\d:\d\d:\d\d GMT")
CLIENT = re.compile(r"127\.0\.0\.(\d+):\d+")
EPHEMERAL = re.compile(r"IP:(\d+)")


SERVICE_TIME = re.compile(r"(x-envoy-upstream-service-time\W+)\d+")


class Normal:
    """One side's addresses and ports by their roles."""

    def __init__(self, ip: str, ports: dict):
        self.ip = ip
        self.ports = {str(port): name for (_, name), port in ports.items()}

    def __call__(self, key: str, value) -> str:
        text = str(value).replace(self.ip, "IP")
        text = CLIENT.sub(r"CLIENT\1:PORT", text)
        text = EPHEMERAL.sub(lambda m: f"IP:{self.ports[m[1]]}" if m[1] in self.ports else "IP:PORT", text)
        text = DATE.sub("DATE", UUID.sub("UUID", text))
        if key.lower().endswith("x-envoy-upstream-service-time"):
            text = re.sub(r"\d+", "MS", text)
        # Heads that are shown whole, as those of interim answers are.
        text = SERVICE_TIME.sub(r"\1MS", text)
        if key.lower().endswith("x-envoy-expected-rq-timeout-ms") and text.isdigit() and int(text) > 1000:
            # What is left of a long time once a try was made.
            text = f"{10 if int(text) > 10000 else -(-int(text) // 500) / 2} s"
        return text

    def all(self, fields: dict) -> dict:
        return {key: self(key, value) for key, value in fields.items()}


def seen(backends) -> dict:
    """What the backends of a file heard, as fields."""
    notes = [note for backend in backends for note in backend.seen]
    found = {"seen.count": len(notes)}
    for index, note in enumerate(notes, 1):
        for key, value in note.items():
            if key in ("headers", "trailers"):
                for name, one in value:
                    at = f"seen.{index}.{key[:-1]}.{name}"
                    found[at] = f"{found[at]} // {one}" if at in found else one
            else:
                found[f"seen.{index}.{key}"] = value
    return found


class Log:
    """An access log's lines, by the client's port."""

    def __init__(self, path):
        self.lines: dict[int, list[dict]] = {}
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                who, *columns = line.split("\t")
                port = who.rpartition(":")[2]
                if port.isdigit():
                    fields = dict(column.partition("=")[::2] for column in columns)
                    self.lines.setdefault(int(port), []).append(fields)

    def of(self, ports: list[int]) -> dict:
        found = {"log.count": 0}
        for port in ports:
            for fields in self.lines.get(port, []):
                found["log.count"] += 1
                found.update({f"log.{found['log.count']}.{key}": value for key, value in fields.items()})
        return found


def differences(first: dict, second: dict) -> list[tuple[str, str, str]]:
    nothing = "(nothing)"
    keys = sorted(set(first) | set(second))
    pairs = [(key, first.get(key, nothing), second.get(key, nothing)) for key in keys]
    return [(key, one, other) for key, one, other in pairs if one != other]
