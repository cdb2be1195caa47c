"""TLS on a port of its own, its settings, and certificates that change."""

import asyncio
import os
import pathlib
import shutil
import ssl
import subprocess

from harness.cases import case
from harness.client import get
from harness.side import TLS

CERTS = pathlib.Path("/var/lib/knative/certs")


def certificate(name: str) -> None:
    """A new pair, in place at once."""
    CERTS.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-keyout", CERTS / "new.key", "-out", CERTS / "new.crt"],
        check=True, capture_output=True,
    )
    os.replace(CERTS / "new.key", CERTS / "tls.key")
    os.replace(CERTS / "new.crt", CERTS / "tls.crt")


def context(alpn=(), **more) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if alpn:
        made.set_alpn_protocols(list(alpn))
    for name, value in more.items():
        setattr(made, name, value)
    return made


def about(client) -> dict:
    session = client.wire.writer.get_extra_info("ssl_object")
    return {"version": session.version(), "alpn": session.selected_alpn_protocol()}


def subject(client) -> str:
    der = client.wire.writer.get_extra_info("ssl_object").getpeercert(True)
    return subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der, capture_output=True).stdout.decode().strip()


async def tried(side, name, made) -> None:
    try:
        client = await side.connect(TLS, ssl=made)
        side.note(f"{name}: session", about(client))
        await client.close()
    except (ssl.SSLError, OSError) as error:
        side.note(f"{name}: session", "refused")


@case("requests and probes through TLS", starts=False)
async def requests(side, app):
    certificate("one")
    await side.start({})
    await side.listening(TLS)
    side.note("GET", await side.ask(get("/"), TLS, ssl=context()))
    side.note("probe", await side.ask(get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue"), TLS, ssl=context()))
    side.note("clear text still", (await side.ask(get("/")))["status"])
    side.note("clear text here", await side.ask(get("/"), TLS))
    for name, made in {
        "nothing agreed": context(),
        "http/1.1": context(["http/1.1"]),
        "h2": context(["h2", "http/1.1"]),
        "something else": context(["spdy"]),
        "TLS 1.2": context(maximum_version=ssl.TLSVersion.TLSv1_2),
    }.items():
        await tried(side, name, made)
    side.note("app", [request.shown() for request in app.seen])


@case("TLS 1.2 is allowed", starts=False)
async def old(side, app):
    certificate("one")
    await side.start({"QUEUE_PROXY_TLS_MIN_VERSION": "1.2"})
    await side.listening(TLS)
    await tried(side, "TLS 1.2", context(maximum_version=ssl.TLSVersion.TLSv1_2))
    await tried(side, "TLS 1.3", context())


@case("no certificate, no port", starts=False)
async def without(side, app):
    shutil.rmtree(CERTS, ignore_errors=True)
    await side.start({"QUEUE_PROXY_TLS_MIN_VERSION": "nonsense"})
    try:
        await side.ask(get("/"), TLS)
        side.note("TLS", "listens")
    except OSError as error:
        side.note("TLS", type(error).__name__)


def fatal(name, **environment):
    @case(name, starts=False)
    async def run(side, app):
        certificate("one")
        await side.start(environment, until=None)
        side.note("exit", await side.wait(20))


fatal("a version that is none", QUEUE_PROXY_TLS_MIN_VERSION="1.1")
fatal("a suite that is none", QUEUE_PROXY_TLS_CIPHER_SUITES="TLS_NULL")
fatal("a curve that is none", QUEUE_PROXY_TLS_CURVE_PREFERENCES="P-1")


@case("a certificate that is none", starts=False)
async def garbage(side, app):
    certificate("one")
    (CERTS / "tls.crt").write_text("garbage")
    await side.start({}, until=None)
    side.note("exit", await side.wait(20))


@case("a certificate that changes, breaks, and is gone", starts=False)
async def changes(side, app):
    certificate("one")
    await side.start({})
    await side.listening(TLS)
    kept = await side.connect(TLS, ssl=context())
    side.note("before", subject(kept))
    await kept.send(get("/"))
    side.note("the first request", (await kept.response()).shown())
    certificate("two")
    (CERTS / "tls.key").write_text("garbage")
    await asyncio.sleep(65)
    broken = await side.connect(TLS, ssl=context())
    side.note("broken", subject(broken))
    certificate("two")
    await asyncio.sleep(60)
    side.note("after", subject(await side.connect(TLS, ssl=context())))
    await kept.send(get("/"))
    side.note("a kept connection", (await kept.response()).shown())
    out, err = await side.stop()
    side.note("told", (out + err).count("Certificate and/or key have changed on disk and were reloaded."))
