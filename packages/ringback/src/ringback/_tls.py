"""TLS for callbacks: the context that verifies receivers, and what its errors mean."""

import ssl
import sys
from pathlib import Path

from ringback._message import FailureReason

__all__ = ["check_context", "default_context", "explain"]

# Where systems keep their roots when the OpenSSL that Python brings was built for another one.
_ROOTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def default_context() -> ssl.SSLContext:
    """TLS 1.2 or newer, the system's roots, names checked. SSL_CERT_FILE and SSL_CERT_DIR are not read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    if sys.platform == "win32":
        context.load_default_certs()
        return context
    paths = ssl.get_default_verify_paths()
    for file in (paths.openssl_cafile, *_ROOTS):
        if Path(file).is_file():
            context.load_verify_locations(cafile=file)
            break
    if Path(paths.openssl_capath).is_dir():
        context.load_verify_locations(capath=paths.openssl_capath)
    return context


def check_context(context: ssl.SSLContext) -> ssl.SSLContext:
    """Give `context` back, or raise ValueError if it would trust anybody."""
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError(
            "ssl_context does not verify the receiver; make one with ssl.create_default_context() and load "
            "your own roots into it (load_verify_locations)"
        )
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:
        raise ValueError("ssl_context allows TLS older than 1.2; set its minimum_version to TLSv1_2")
    return context


def explain(error: ssl.SSLError) -> tuple[FailureReason, str]:
    """The reason and an operator's sentence for an error of the ssl module."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return FailureReason.TLS_CERTIFICATE, f"the certificate is not valid: {error.verify_message}"
    return FailureReason.TLS_HANDSHAKE, f"TLS failed: {error.reason or error}"
