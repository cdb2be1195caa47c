"""Where things are: the built parts, the state of a running cluster, the names of its namespaces and addresses.

Nothing is kept in the repository. CONFORMANCE_CACHE moves all of it; otherwise it is XDG's cache directory.
"""

import os
import pathlib

CACHE = pathlib.Path(
    os.environ.get("CONFORMANCE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "forebay-conformance"
)
PARTS = CACHE / "parts"  # what `build` made
STATE = CACHE / "cluster"  # logs, keys, kubeconfig and pods of the running cluster, or of the last one
RUNS = CACHE / "runs"  # raw output of test runs, and the records that results.md is written from
KUBECONFIG = STATE / "kubeconfig"
LOGS = STATE / "logs"

HERE = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent

NETNS = "forebay"  # the cluster's network namespace; pods get NETNS-NUMBER
NODE = "node"
NODE_IP = "10.244.0.1"
PODS = f"{NODE_IP}/16"
SERVICES = "10.96.0.0/16"

GATEWAY = ("kourier-system", "3scale-kourier-gateway")
CONTROLLER = ("knative-serving", "net-kourier-controller")
TESTS = "serving-tests"  # where the suites make their objects
