"""Who may ask, for what, and what a browser may do with the answer."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

METHODS = ("GET", "HEAD")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}


def protect(app: Flask, hosts: Collection[str]) -> None:
    """Refuse every method but GET and HEAD, and every strange host; add headers to every answer.

    hosts: names, beside `localhost`, under which the pages may be asked for.
    """
    known = {"localhost", *(host.lower() for host in hosts)}

    @app.before_request
    def check() -> None:
        if not allowed(request.environ.get("HTTP_HOST", ""), known):
            abort(421)
        if request.method not in METHODS:
            abort(405, valid_methods=METHODS)

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response


def allowed(host: str, known: Collection[str]) -> bool:
    """Whether a request's host is this server: a page elsewhere may point a name of its own here, but no address."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        # both raise for what is no port or no address
        _ = parts.port
    except ValueError:
        return False
    if "@" in host or "/" in host or "?" in host or "#" in host:
        return False
    if name in known:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
