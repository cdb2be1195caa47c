"""Case files: YAML in, plans for the client out. README.md has the words a case may use."""

import pathlib
import re

import yaml

REQUEST = {
    "method", "path", "host", "headers", "body", "chunks", "trailers", "pieces", "do", "version", "tunnel", "protocol",
    "scheme", "hang_up", "rudely", "size",
}
CONNECTION = {
    "to", "h2", "tls", "prefix", "from", "requests", "pipeline", "raw", "frames", "answers", "patience", "took", "after",
    "settings", "until_end",
}
CASE = {"name", "over", "connections", "stats", "admin", "pause", "about", "settle", *REQUEST, *CONNECTION}
FILE = {
    "about", "backends", "clusters", "http", "routes", "virtual_hosts", "route_config", "listener", "listeners", "chain",
    "tls", "log", "stats", "cases", "host", "over", "defaults", "ads", "alone", "bootstrap", "static_only", "authz",
}


class Plain(yaml.SafeLoader):
    """YAML in which `on` is a word and `1:2` no number."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, test) for tag, test in tests if tag.rpartition(":")[2] in ("null", "merge")]
    for first, tests in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), list("tf"))
Plain.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(0|[1-9][0-9]*)$"), list("-0123456789"))
Plain.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?[0-9]+\.[0-9]+$"), list("-0123456789"))


class Case:
    """One thing to try, over one protocol."""

    def __init__(self, file: "File", words: dict, protocol: str):
        self.file, self.words = file, words
        self.name = str(words["name"]) + ("" if protocol == file.plain(words) else f" ({protocol})")
        self.stats = words.get("stats", [])
        shared = {k: v for k, v in words.items() if k in REQUEST | CONNECTION}
        parts = words.get("connections", [{}])
        self.connections = [_connection(file, {**shared, **part}, protocol) for part in parts]


class File:
    """A behaviour: its configuration and its cases."""

    def __init__(self, path: pathlib.Path):
        self.name = path.stem
        words = yaml.load(path.read_text(), Plain)
        self.words = words
        _only(words, FILE, path.name)
        self.host = words.get("host", "a.test")
        self.alone = words.get("alone", False)
        shared = set(words.get("backends", {"b": {}})) & set(words.get("listeners", {"main": {}}))
        if shared:
            # They would have one port.
            raise SystemExit(f"{path.name}: a listener and a backend are both called {sorted(shared)}")
        self.cases = []
        for case in words["cases"]:
            case = {**words.get("defaults", {}), **case}
            _only(case, CASE, f"{path.name}: {case.get('name')}")
            for protocol in case.get("over", words.get("over", [self.plain(case)])):
                self.cases.append(Case(self, case, protocol))
        names = [case.name for case in self.cases]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise SystemExit(f"{path.name}: twice: {sorted(twice)}")

    @staticmethod
    def plain(words: dict) -> str:
        return "h2" if words.get("h2") or "frames" in words else "h1"


def load(directory: pathlib.Path, pattern: str, text: str) -> list[File]:
    files = [File(path) for path in sorted(directory.glob(f"{pattern}.yaml"))]
    for file in files:
        file.cases = [case for case in file.cases if text in case.name]
    return [file for file in files if file.cases]


def _only(words: dict, known: set, where: str) -> None:
    strange = set(words) - known
    if strange:
        raise SystemExit(f"{where}: what is {sorted(strange)}?")


def _connection(file: File, words: dict, protocol: str) -> dict:
    plan = {k: v for k, v in words.items() if k in CONNECTION}
    own = {k: v for k, v in words.items() if k in REQUEST}
    plan.setdefault("to", "main")
    if protocol == "h2" and "raw" not in plan:
        plan["h2"] = True
    if "raw" in plan:
        steps = plan["raw"] if isinstance(plan["raw"], list) else [plan["raw"]]
        plan["raw"] = [_bytes(step) if isinstance(step, str) and step != "FIN" else step for step in steps]
        plan["method"] = own.get("method", "GET")
    if "prefix" in plan:
        plan["prefix"] = _bytes(plan["prefix"])
    if "frames" in plan:
        plan["frames"] = [_frame(file, step) for step in plan["frames"]]
    plan["requests"] = [_request(file, {**own, **each}) for each in plan.get("requests", [{}])]
    return plan


def _request(file: File, words: dict) -> dict:
    request = {"method": "GET", "path": "/", "host": file.host, **words}
    request["path"] = wide(request["path"])
    headers = pairs(request.get("headers", []))
    if "do" in request:
        headers.append(("x-do", request["do"]))
    request["headers"] = headers
    request["trailers"] = pairs(request.get("trailers", []))
    if "size" in request:
        request["body"] = "0123456789abcdef" * (request["size"] // 16)
    return request


def pairs(fields) -> list:
    """A mapping or a list of mappings; a list as value is the field several times."""
    found = []
    for part in fields if isinstance(fields, list) else [fields]:
        for name, value in part.items():
            for one in value if isinstance(value, list) else [value]:
                found.append((wide(str(name)), "" if one is None else wide(str(one))))
    return found


def wide(text: str) -> str:
    """`{a*3}` is aaa."""
    return re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)


def _frame(file: File, step: dict) -> dict:
    """`request: {..}` is a whole head; `headers:` are fields as they are."""
    step = dict(step)
    if "request" in step:
        words = step.pop("request") or {}
        fields = {":method": "GET", ":scheme": "http", ":path": "/", ":authority": file.host}
        fields.update({key: value for key, value in words.items() if value is not None})
        fields = {key: value for key, value in fields.items() if words.get(key, "") is not None}
        step["headers"] = pairs(fields)
    elif "headers" in step:
        step["headers"] = pairs(step["headers"])
    if "headers" in step or "data" in step or "rst" in step:
        step.setdefault("stream", 1)
    return step


def _bytes(text: str) -> bytes:
    """`hex:..` is bytes; in other text, backslashes are as in C, and a line's end is CRLF."""
    if text.startswith("hex:"):
        return bytes.fromhex(text[4:].replace(" ", ""))
    text = re.sub(r"(?<!\r)\n", "\r\n", text)
    return wide(text).encode("latin-1").decode("unicode_escape").encode("latin-1")
