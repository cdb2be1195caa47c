"""Lines about requests, by Go's templates."""

import asyncio
import json
import re

from harness.cases import case
from harness.client import get
from harness.side import ADMIN

# serving: `config/core/configmaps/observability.yaml`.
DEFAULT = """{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}"""

PROBE = get("/", "User-Agent: kube-probe/1", "K-Network-Probe: queue")
REQUESTS = [
    get("/a?b=<c>&d", "User-Agent: me \"x\"", "Referer: http://r", "X-A: 1", "X-A: 2"),
    get("/%41/b", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", method="POST", body=b"hello"),
    get("/", "X-B3-Traceid: 463ac35c9f6413ad", "Transfer-Encoding: chunked", method="PUT") + b"5\r\nhello\r\n0\r\n\r\n",
    get("/", version="1.0"),
    get("/", method="HEAD"),
    PROBE,
    get("/", "K-Network-Probe: probe", "K-Network-Hash: h"),
    get("/", "K-Kubelet-Probe: x"),
    get("/", "K-Original-Host: outer", "X-Forwarded-For: 1.2.3.4"),
]


def steady(line: str) -> str:
    line = re.sub(r"127\.0\.0\.1:\d+", "REMOTE", line)
    return re.sub(r"\d+(\.\d+)?(e-\d+)?s\"|latency: [0-9.e-]+", "LATENCY", line)


def logs(name, template, requests=REQUESTS, **more):
    config = {"enableRequestLog": True, "requestLogTemplate": template, **more}

    @case(name, OBSERVABILITY_CONFIG=json.dumps(config))
    async def run(side, app):
        for data in requests:
            await side.ask(data)
        await asyncio.sleep(0.2)
        out, err = await side.stop()
        lines = [line for line in out.splitlines() if not line.startswith('{"severity') and not line.startswith('{"level')]
        side.note("lines", [steady(line) for line in lines if line])


logs("the default", DEFAULT)
logs("the default, with probes", DEFAULT, enableProbeRequestLog=True)
logs("the revision", "{{.Revision.Name}} {{.Revision.Namespace}} {{.Revision.Service}} {{.Revision.Configuration}} {{.Revision.PodName}} {{.Revision.PodIP}}")
logs("headers", '{{.Request.Header.Get "x-a"}} {{index .Request.Header "X-A"}} {{range $k, $v := .Request.Header}}{{$k}}={{$v}};{{end}} {{.Request.Header}}')
logs("the URL", "{{.Request.URL}} {{.Request.URL.Path}} {{.Request.URL.RawQuery}} {{.Request.Host}} {{.Request.RequestURI}}")
logs("TLS", "TLS: {{.Request.TLS}}")
logs("conditions", '{{if ge .Response.Code 400}}bad{{else}}good{{end}} {{if eq .Request.Method "POST" "PUT"}}writes{{end}}{{with .TraceID}} {{.}}{{end}}')
logs("numbers", '{{printf "%05d %q %v %.1f" .Response.Code .Request.Method .Request.ProtoMajor 1.25}} {{.Request.ContentLength}} {{.Request.TransferEncoding}}')
logs("a field that is none", "{{.Request.Nothing}}")
logs("a template that is none", "{{.Request")
logs("an empty template", "")
logs("trimmed, with a variable", "{{- $m := .Request.Method -}} [ {{- $m -}} ] {{/* nothing */ -}} x\n")
