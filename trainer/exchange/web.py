"""Packages behind http and https: timeouts, ranges, redirects and sizes, each with a limit.

Bodies are taken as they are: a compressed one is refused, so that none can unfold to more than was sent. Redirects are
followed by hand, because `requests` reads their bodies, however long, even where it is told not to follow.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from requests import Response, Session
from urllib3.exceptions import HTTPError

from trainer.exchange.sources import CHUNK, Interrupted, SourceError, Stream, wrong_size

REDIRECTS = 5
PASSING = {408, 425, 429}
"""Refusals after which a server may answer; besides all from 500 on."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to bear with a source.

    timeout:  seconds to wait for a connection, or for more bytes.
    slowest:  bytes a second, measured over as many seconds; a slower body is given up.
    attempts: tries in a row that may bring nothing new.
    pause:    seconds before the second try, twice as many before each further one.
    longest:  seconds of the longest pause, whatever a server asks for.
    """

    timeout: float = 30.0
    slowest: int = 1024
    attempts: int = 5
    pause: float = 1.0
    longest: float = 30.0


class Unfollowing(Session):
    """A session to which no answer is a redirect; `target` tells."""

    def get_redirect_target(self, resp: Response) -> str | None:
        """None, always."""
        return None

    def target(self, response: Response) -> str | None:
        """Where an answer redirects to; None where it does not."""
        return super().get_redirect_target(response)


class Web:
    """A folder of packages that a web server shows."""

    def __init__(self, url: str, root: bytes, patience: Patience) -> None:
        """Take the package of that root from below `url`, which may also be the package's own; a query is kept."""
        parts = check_url(url)
        path = parts.path.rstrip("/")
        if not path.endswith("/" + root.hex()):
            path += "/" + root.hex()
        self.name = public(url)
        self._parts, self._path, self._patience = parts, path, patience
        self._session = Unfollowing()

    def open(self, file: str, start: int, stop: int, size: int | None) -> Stream:
        """See `Source.open`: bytes from 0 on where the server knows no ranges."""
        url = urlunsplit(self._parts._replace(path=f"{self._path}/{file}", fragment=""))
        part = size is not None and (start, stop) != (0, size)
        response = self._get(url, file, {"Range": f"bytes={start}-{stop - 1}"} if part else {})
        try:
            begin = self._begin(response, file, start, size)
        except BaseException:
            response.close()
            raise
        return Stream(begin, body(response, f"{self.name}: {file}", self._patience))

    def _get(self, url: str, file: str, headers: dict[str, str]) -> Response:
        name = f"{self.name}: {file}"
        for _ in range(REDIRECTS + 1):
            response = ask(self._session, "GET", url, name, self._patience, headers=headers)
            target = self._session.target(response)
            if target is None:
                return response
            response.close()
            try:
                url = urljoin(url, target)
                check_url(url)
            except ValueError as error:
                raise SourceError(f"{name}: redirects to {target[:200]!r}, which is no address") from error
            except SourceError as error:
                raise SourceError(f"{name}: redirects elsewhere: {error}") from error
        raise SourceError(f"{name}: redirects more than {REDIRECTS} times")

    def _begin(self, response: Response, file: str, start: int, size: int | None) -> int:
        """Offset of the first byte; raises where status or sizes are wrong."""
        name = f"{self.name}: {file}"
        if response.status_code == 416:
            there = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
            if there and size is not None and int(there[1]) != size:
                raise wrong_size(name, int(there[1]), size)
        if response.status_code not in (200, 206):
            raise refusal(response, name)
        if response.status_code == 206:
            place = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not place or int(place[1]) != start:
                raise SourceError(
                    f"{name}: asked for bytes from {start} on, the answer is "
                    f"{response.headers.get('Content-Range', 'without a range')!r}"
                )
            if size is not None and place[3] not in ("*", str(size)):
                raise wrong_size(name, int(place[3]), size)
            return start
        length = response.headers.get("Content-Length", "")
        if size is not None and re.fullmatch(r"\d+", length) and int(length) != size:
            raise wrong_size(name, int(length), size)
        return 0


def ask(session: Unfollowing, method: str, url: str, name: str, patience: Patience, **more: Any) -> Response:
    """Send a request; returns the answer with its body unread. Redirects are the caller's."""
    headers = {"Accept-Encoding": "identity", **more.pop("headers", {})}
    try:
        response = session.request(
            method, url, headers=headers, stream=True, allow_redirects=False, timeout=patience.timeout, **more
        )
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise SourceError(f"{name}: {public(url)} is no address") from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise _fault(error, name) from error
    if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        response.close()
        raise SourceError(f"{name}: answers compressed, which nobody asked for")
    return response


def body(response: Response, name: str, patience: Patience) -> Iterator[bytes]:
    """The chunks of an answer as they come; closing it closes the connection, if there is more."""
    waited, got = 0.0, 0
    try:
        while True:
            before = time.monotonic()
            chunk = response.raw.read1(CHUNK, decode_content=False)
            waited, got = waited + time.monotonic() - before, got + len(chunk or b"")
            if not chunk:
                return
            if waited > patience.timeout:
                if got < patience.slowest * waited:
                    raise Interrupted(f"{name}: slower than {patience.slowest} bytes a second")
                waited, got = 0.0, 0
            yield chunk
    except (requests.RequestException, HTTPError, OSError) as error:
        raise _fault(error, name) from error
    finally:
        response.close()


def refusal(response: Response, name: str, said: str = "") -> SourceError:
    """The error for a status that is no success; `said` by the server."""
    status = response.status_code
    message = f"{name}: answers {status}{' ' if response.reason else ''}{response.reason or ''}"
    if said:
        message += f" ({said})"
    if status in PASSING or status >= 500:
        after = response.headers.get("Retry-After", "")
        return Interrupted(message, after=float(after) if re.fullmatch(r"\d{1,6}", after) else 0.0)
    return SourceError(message)


def check_url(url: str) -> Any:
    """The parts of an http(s) address; raises `SourceError` for anything else."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is none
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise SourceError(f"{public(url)[:200]!r} is no http(s) address")
    return parts


def public(url: str) -> str:
    """An address without what may be secret: user, password, query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _fault(error: Exception, name: str) -> SourceError:
    """What a library's error means, in a few words: theirs print chains of wrappers, and addresses of objects."""
    text = repr(error).lower()
    for sign, words in (
        ("timed out", "no answer in time"),
        ("timeout", "no answer in time"),
        ("refused", "connection refused"),
        ("failed to resolve", "no such host"),
        ("certificate", "its certificate is not trusted"),
        ("incompleteread", "the connection broke off"),
        ("reset by peer", "the connection broke off"),
        ("aborted", "the connection broke off"),
        ("broken pipe", "the connection broke off"),
    ):
        if sign in text:
            return (SourceError if sign == "certificate" else Interrupted)(f"{name}: {words}")
    return Interrupted(f"{name}: cannot be read ({type(error).__name__})")
