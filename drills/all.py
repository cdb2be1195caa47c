"""Runs the drills, all or those that are named, and prints a table. Usage: FOREBAY=PATH drills/all.py [NAME..]

A drill is a file of this directory with a function `drill()`: its documentation is what it proves, what it returns is
what it measured, an exception is a failure. `TOOLS` names the programs it drives.
"""

import importlib
import os
import pathlib
import shutil
import sys
import time
import traceback

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

# In this order: what everything else stands on comes first.
DRILLS = [
    "first_minute",
    "curl_forms",
    "walkthrough",
    "to_zero_and_back",
    "crowd",
    "one_at_a_time",
    "rollouts",
    "replica_killed",
    "h2_clients",
    "h2spec",
    "tls_clients",
    "wrk_clients",
    "syscalls",
    "instructions",
    "five_thousand_services",
    "no_orphan",
]


def main() -> int:
    names = sys.argv[1:] or DRILLS
    unknown = [name for name in names if name not in DRILLS]
    if unknown:
        print(f"no such drill: {', '.join(unknown)}; there are {', '.join(DRILLS)}")
        return 2
    rows = []
    for name in names:
        print(f"\n== drill {name}", flush=True)
        rows.append((name, *run(name)))
    width = max(len(name) for name in names)
    print(f"\n{'drill':{width}}  result   seconds  measured")
    for name, result, seconds, words in rows:
        print(f"{name:{width}}  {result:7}  {seconds:7.1f}  {words}")
    count = lambda wanted: sum(result == wanted for _, result, _, _ in rows)
    if count("skipped"):
        print(f"{count('skipped')} skipped: their tools are missing")
    print(f"{count('passed')} passed, {count('failed')} failed")
    return 1 if count("failed") else 0


def run(name: str) -> tuple[str, float, str]:
    began = time.monotonic()
    spent = lambda: time.monotonic() - began
    module = importlib.import_module(name)
    missing = [tool for tool in getattr(module, "TOOLS", []) if not shutil.which(tool)]
    if missing:
        words = f"{', '.join(missing)} not installed"
        return ("failed" if os.environ.get("CI") else "skipped"), spent(), words
    try:
        words = module.drill() or ""
        print(words)
        return "passed", spent(), words
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        return "failed", spent(), str(error).splitlines()[0] if str(error) else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
