"""Certificates for the cases, made by `openssl` when a run begins, and the TLS contexts that use them."""

import hashlib
import pathlib
import ssl
import subprocess

# name: common name, alternative names, signed by, algorithm
WANTED = {
    "ca": ("Lockstep CA", "", None, "ec"),
    "stranger-ca": ("Stranger CA", "", None, "ec"),
    "a": ("a.test", "DNS:a.test,DNS:*.a.test", "ca", "ec"),
    "b": ("b.test", "DNS:b.test", "ca", "rsa"),
    "wild": ("*.wild.test", "DNS:*.wild.test", "ca", "ec"),
    "default": ("default.test", "DNS:default.test", "ca", "ec"),
    "upstream": ("upstream.test", "DNS:upstream.test,DNS:kn-routing,DNS:kn-user-default", "ca", "ec"),
    "client": ("client", "URI:spiffe://lockstep/client,DNS:client.test", "ca", "ec"),
    "stranger": ("stranger", "DNS:client.test", "stranger-ca", "ec"),
}
VERSIONS = {1.0: ssl.TLSVersion.TLSv1, 1.1: ssl.TLSVersion.TLSv1_1, 1.2: ssl.TLSVersion.TLSv1_2, 1.3: ssl.TLSVersion.TLSv1_3}


class Certificates:
    """The files of one run."""

    def __init__(self, home: pathlib.Path):
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.names: dict[str, str] = {}
        for name, wanted in WANTED.items():
            self._make(name, *wanted)
            der = ssl.PEM_cert_to_DER_cert(self.pem(name))
            self.names[hashlib.sha256(der).hexdigest()] = name

    def _make(self, name: str, common: str, others: str, by, algorithm: str) -> None:
        key = ["-newkey", "rsa:2048"] if algorithm == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command = ["openssl", "req", "-x509", "-nodes", "-sha256", "-days", "3000", "-subj", f"/CN={common}", *key]
        command += ["-keyout", self.path(name, "key"), "-out", self.path(name, "pem")]
        extensions = ["basicConstraints=critical,CA:TRUE"] if by is None else ["basicConstraints=critical,CA:FALSE"]
        if others:
            extensions.append(f"subjectAltName={others}")
        for extension in extensions:
            command += ["-addext", extension]
        if by is not None:
            command += ["-CA", self.path(by, "pem"), "-CAkey", self.path(by, "key")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def path(self, name: str, kind: str) -> str:
        return str(self.home / f"{name}.{kind}")

    def pem(self, name: str) -> str:
        return pathlib.Path(self.path(name, "pem")).read_text()

    def name_of(self, der: bytes) -> str:
        return self.names.get(hashlib.sha256(der).hexdigest(), "another")

    def client(self, wanted: dict) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        if "alpn" in wanted:
            context.set_alpn_protocols(wanted["alpn"])
        context.minimum_version = VERSIONS[wanted.get("min", 1.0)]
        if "max" in wanted:
            context.maximum_version = VERSIONS[wanted["max"]]
        if "ciphers" in wanted:
            context.set_ciphers(wanted["ciphers"])
        if "cert" in wanted:
            context.load_cert_chain(self.path(wanted["cert"], "pem"), self.path(wanted["cert"], "key"))
        return context

    def server(self, wanted: dict) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        name = wanted.get("cert", "upstream")
        context.load_cert_chain(self.path(name, "pem"), self.path(name, "key"))
        if wanted.get("alpn"):
            context.set_alpn_protocols(wanted["alpn"])
        if "min" in wanted:
            context.minimum_version = VERSIONS[wanted["min"]]
        if "max" in wanted:
            context.maximum_version = VERSIONS[wanted["max"]]
        if wanted.get("client"):
            context.load_verify_locations(self.path("ca", "pem"))
            context.verify_mode = ssl.CERT_OPTIONAL

        def asked(tls, name, _):
            tls.asked = name

        context.sni_callback = asked
        return context
