"""Prometheus through TLS: METRICS_PROMETHEUS_TLS_*, good and bad."""

import json
import pathlib
import ssl
import subprocess

from harness.cases import case
from harness.client import get
from harness.side import METRICS

ON = json.dumps({"requestMetrics": {"protocol": "prometheus"}})
# A directory that each side has for itself.
KEYS = pathlib.Path("/var/lib/keys")
PAIR = {"METRICS_PROMETHEUS_TLS_CERT": str(KEYS / "own.crt"), "METRICS_PROMETHEUS_TLS_KEY": str(KEYS / "own.key")}
CA = {"METRICS_PROMETHEUS_TLS_CLIENT_CA_FILE": str(KEYS / "client.crt")}


def pairs() -> None:
    KEYS.mkdir(parents=True, exist_ok=True)
    for name in ("own", "client", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-keyout", KEYS / f"{name}.key", "-out", KEYS / f"{name}.crt"],
            check=True, capture_output=True,
        )


async def tried(side, name: str, client: str = "", most=None) -> None:
    """A scrape, with a certificate of one's own or without."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if client:
        made.load_cert_chain(KEYS / f"{client}.crt", KEYS / f"{client}.key")
    if most:
        made.maximum_version = most
    try:
        connection = await side.connect(METRICS, ssl=made)
        await connection.send(get("/metrics"))
        answer = (await connection.response()).shown()
        side.note(name, [answer["status"], answer["headers"].get("content-type")])
        session = connection.wire.writer.get_extra_info("ssl_object")
        side.note(f"{name}: session", session.version())
        await connection.close()
    except Exception:  # of a session that ended early there are many kinds
        side.note(name, "refused")


def scraped(name, *asked, **environment):
    @case(name, starts=False)
    async def run(side, app):
        pairs()
        await side.start({"OBSERVABILITY_CONFIG": ON, **PAIR, **environment})
        await side.listening(METRICS)
        for one, client, most in asked:
            await tried(side, one, client, most)


scraped("through TLS", ("without a certificate", "", None), ("TLS 1.2", "", ssl.TLSVersion.TLSv1_2))
scraped("TLS 1.2 is allowed", ("TLS 1.2", "", ssl.TLSVersion.TLSv1_2), METRICS_PROMETHEUS_TLS_MIN_VERSION="1.2")
scraped("a client has to have a certificate", ("without", "", None), ("with", "client", None), ("another's", "other", None),
        METRICS_PROMETHEUS_TLS_CLIENT_AUTH="require", **CA)
scraped("a client may have a certificate", ("without", "", None), ("with", "client", None), ("another's", "other", None),
        METRICS_PROMETHEUS_TLS_CLIENT_AUTH="Optional", **CA)


def refused(name, **environment):
    @case(name, starts=False, app=None)
    async def run(side, app):
        pairs()
        await side.start({"OBSERVABILITY_CONFIG": ON, **environment}, until=None)
        side.note("exit", await side.wait(20))


refused("a certificate without its key", METRICS_PROMETHEUS_TLS_CERT=PAIR["METRICS_PROMETHEUS_TLS_CERT"])
refused("a rule for clients without TLS", METRICS_PROMETHEUS_TLS_CLIENT_AUTH="require")
refused("a rule for clients without authorities", METRICS_PROMETHEUS_TLS_CLIENT_AUTH="require", **PAIR)
refused("authorities without a rule", **PAIR, **CA)
refused("a rule that is none", METRICS_PROMETHEUS_TLS_CLIENT_AUTH="perhaps", **PAIR)
refused("a version that is none", METRICS_PROMETHEUS_TLS_MIN_VERSION="1.1", **PAIR)
refused("a port that is none", METRICS_PROMETHEUS_PORT="port")
