"""Knative's walkthrough with real hey: 10,000 requests of 200 clients on two revisions at zero; half to each."""

import http.client

from lib import Forebay, check, hey, service, split

TOOLS = ["hey"]
HOST = "my-service.default.127.0.0.1.sslip.io"


def drill() -> str:
    manifest = service("my-service", "my-service-v1") + "---\n"
    manifest += service("my-service", "my-service-v2", traffic=split("my-service-v1", "my-service-v2"))
    with Forebay(manifest) as forebay:
        cold = hey(forebay, HOST, "-n", "10000", "-c", "200")
        cold.all_ok(10_000)
        warm = hey(forebay, HOST, "-n", "10000", "-c", "200")
        warm.all_ok(10_000)
        first = bodies(forebay, 10_000).count("Hello my-service-v1!\n")
        # Two points.
        check(4_800 <= first <= 5_200, f"{first} of 10,000 went to the first revision")
        return f"from zero {cold.words()}; warm {warm.words()}; split {first / 100:.1f} %"


def bodies(forebay: Forebay, count: int) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", forebay.port, timeout=30)
    found = []
    for _ in range(count):
        connection.request("GET", "/", headers={"Host": HOST})
        found.append(connection.getresponse().read().decode())
    connection.close()
    return found
