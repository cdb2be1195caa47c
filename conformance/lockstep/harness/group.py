"""Runs a group of files on one pair of processes. A group that a side will not start is parted until it is one file."""

import asyncio
import itertools

from . import client, compare, snapshot
from .compare import Log
from .programs import Program, Refused, static

AT_ONCE = 16
# For what arrives a little later on one side than on the other.
SETTLE, SETTLE_LOG = 0.4, 2.0
# A case that takes longer than this, in seconds, is the harness's own fault.
LONGEST = 30.0
_marks = itertools.count(1)


class Result:
    """One case's fields on both sides."""

    def __init__(self, case):
        self.case, self.fields, self.ports, self.heard = case, [{}, {}], [[], []], ["", ""]

    def differences(self):
        return compare.differences(*self.fields)


async def run(files, sides, admin: int, start=None) -> list[Result]:
    """All cases of the files. Those that a side will not start with are found first; the others run together."""
    programs, refused = await _start(files, sides, admin, start)
    if any(refused):
        for program in programs:
            program.stop()
        if len(files) == 1:
            return [_refusal(case, refused) for case in files[0].cases]
        bad = await _refused(files, sides, admin, start)
        good = [file for file in files if file not in bad]
        results = await run(good, sides, admin, start) if good else []
        return results + [_refusal(case, words) for file, words in bad.items() for case in file.cases]
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(file):
        async with slots:
            return await _file(file, sides, programs)

    try:
        groups = await asyncio.gather(*(one(file) for file in files))
    finally:
        for program in programs:
            program.stop()
    return [result for group in groups for result in group]


async def _refused(files, sides, admin, start) -> dict:
    """The files that a side refuses, with its words: halves, until a file is alone."""
    programs, refused = await _start(files, sides, admin, start)
    for program in programs:
        program.stop()
    if not any(refused):
        return {}
    if len(files) == 1:
        return {files[0]: refused}
    half = len(files) // 2
    first = await _refused(files[:half], sides, admin, start)
    return {**first, **await _refused(files[half:], sides, admin, start)}


async def _start(files, sides, admin, start):
    mark = f"group{next(_marks)}"
    programs, refused = [], []
    for side in sides:
        resources = snapshot.Snapshot(side.ip, side.ports, side.home, side.certificates)
        for file in files:
            resources.add(file)
        program = Program(side.kind, side.ip, admin, side.home, mark)
        programs.append(program)
        bootstrap = static(resources, side.ip, admin) if start is None else await start(side, resources, admin)
        try:
            await program.start(bootstrap)
            refused.append("")
        except Refused as words:
            refused.append(str(words) or "ended without a word")
    return programs, refused


def _refusal(case, refused) -> Result:
    result = Result(case)
    result.fields = [{"start": "refused" if words else "started"} for words in refused]
    if all(refused):
        result.fields[1]["start"] = "refused by both"
    result.heard = refused
    return result


async def _file(file, sides, programs) -> list[Result]:
    results = []
    for case in file.cases:
        results.append(await _case(case, sides, programs))
    names = list(snapshot.listeners(file.words))
    end = asyncio.get_running_loop().time() + SETTLE_LOG
    while True:
        logs = [_logs(file, names, side, results, at) for at, side in enumerate(sides)]
        if logs[0] == logs[1] or asyncio.get_running_loop().time() > end:
            break
        await asyncio.sleep(0.05)
    for at in (0, 1):
        for result, fields in zip(results, logs[at]):
            result.fields[at].update(fields)
    return results


def _logs(file, names, side, results, at) -> list[dict]:
    logs = [Log(side.home / f"{file.name}.{name}.log") for name in names]
    found = []
    for result in results:
        fields: dict = {}
        for log in logs:
            mine = log.of(result.ports[at])
            if mine["log.count"] or not fields:
                fields = mine
        found.append(side.normal.all(fields))
    return found


async def _case(case, sides, programs) -> Result:
    result = Result(case)
    name = case.file.name
    counted = [[snapshot.fill(s, name, side.ports, side.ip, side.certificates) for s in case.stats] for side in sides]
    before = [await programs[at].stats(counted[at]) for at in (0, 1)]
    for side in sides:
        for backend in side.backends[name]:
            backend.forget()
    asks = case.words.get("admin", [])
    admin = [await _admin(programs[at], asks) for at in (0, 1)]
    # Both answer before every worker has obeyed.
    await asyncio.sleep(case.words.get("pause", 0))
    played = await asyncio.gather(*(_play(case, side) for side in sides))
    end = asyncio.get_running_loop().time() + SETTLE
    await asyncio.sleep(case.words.get("settle", 0))
    while True:
        for at, side in enumerate(sides):
            fields, result.ports[at], result.heard[at] = played[at]
            fields = {**admin[at], **fields, **compare.seen(side.backends[name])}
            after = await programs[at].stats(counted[at])
            for told, real in zip(case.stats, counted[at]):
                known = after[real] >= 0
                fields[f"stat.{told}"] = after[real] - max(before[at][real], 0) if known else "unknown"
            result.fields[at] = side.normal.all(fields)
            if not programs[at].alive():
                result.fields[at]["program"] = "ended: " + programs[at].said()[-300:]
        if result.fields[0] == result.fields[1] or asyncio.get_running_loop().time() > end:
            return result
        await asyncio.sleep(0.03)


async def _admin(program, asks) -> dict:
    found = {}
    for index, line in enumerate(asks, 1):
        method, path = line.split(" ")
        try:
            status, text = await program.ask(method, path)
            found[f"admin.{index}"] = f"{status} {text[:300]}"
        except OSError as problem:
            found[f"admin.{index}"] = type(problem).__name__
    return found


async def _play(case, side) -> tuple[dict, list[int], str]:
    fields: dict = {}
    name = case.file.name
    plans = [_filled(plan, name, side) for plan in case.connections]
    playing = [client.play(side.peer, side.ports[name, plan["to"]], plan) for plan in plans]
    came = await asyncio.wait_for(asyncio.gather(*playing), LONGEST)
    for index, (one, _, _) in enumerate(came, 1):
        mark = "" if len(came) == 1 else f"c{index}."
        fields.update({mark + key: value for key, value in one.items()})
    return fields, [port for _, port, _ in came], "\n".join(text for _, _, text in came)


def _filled(value, name, side):
    """The case's words with this side's ports and address in them."""
    if isinstance(value, dict):
        return {k: _filled(v, name, side) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(v, name, side) for v in value)
    if isinstance(value, str) and ("$port." in value or "$ip" in value):
        return snapshot.fill(value, name, side.ports, side.ip, side.certificates)
    if isinstance(value, bytes) and b"$port." in value:
        return snapshot.fill(value.decode("latin-1"), name, side.ports, side.ip, side.certificates).encode("latin-1")
    return value
