"""curl in every form: by localhost, by sslip.io, by Host header, HTTP/1.0, HTTP/2, HEAD, uploads, Expect, websocket."""

from lib import Forebay, check, run, service

TOOLS = ["curl"]
SSLIP = "hello.default.127.0.0.1.sslip.io"


def drill() -> str:
    with Forebay(service("hello")) as forebay:
        port = forebay.port
        local = f"http://hello.default.localhost:{port}"
        curl = lambda *words: run("curl", "-sS", "--fail", "--max-time", "30", *words)
        forms = [
            (local,),
            # No DNS is needed for the drill; on a machine with DNS the name resolves by itself.
            ("--resolve", f"{SSLIP}:{port}:127.0.0.1", f"http://{SSLIP}:{port}/"),
            ("-H", f"Host: {SSLIP}", f"http://127.0.0.1:{port}/"),
            ("-H", "Host: hello.default.localhost", f"http://127.0.0.1:{port}/"),
            ("--http1.0", local),
            ("--http2-prior-knowledge", local),
            ("--compressed", local),
        ]
        for form in forms:
            answer = curl(*form)
            check(answer == "Hello World!\n", f"curl {' '.join(form)} answered {answer!r}")
        head = curl("-I", f"{local}/bytes?n=1000")
        check(head.startswith("HTTP/1.1 200") and "content-length: 1000" in head.lower(), f"HEAD: {head!r}")
        large = forebay.home / "large"
        large.write_bytes(b"x" * 20_000_000)
        for words in (["-T", str(large)], ["-T", str(large), "-H", "Transfer-Encoding: chunked"],
                      ["-T", str(large), "--http2-prior-knowledge"], ["--data-binary", f"@{large}", "-H", "Expect: 100-continue"]):
            answer = curl(*words, f"{local}/sink")
            check('"bytes":20000000' in answer, f"curl {' '.join(words)}: {answer!r}")
        size = curl("-o", "/dev/null", "-w", "%{size_download} %{http_code}", f"{local}/bytes?n=200000000")
        check(size == "200000000 200", f"200 MB down: {size}")
        lost = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"http://nobody.default.localhost:{port}/")
        check(lost == "404", f"an unknown host: {lost}")
        return f"{len(forms)} forms, uploads of 20 MB four ways, 200 MB down"
