"""Speaking HTTP with the organisation's own FHIR server: that host alone, bounded in all ways.

No redirect is followed, no link that leads elsewhere, no answer read beyond its limit. Any thread
may call; connections are kept and shared.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import httpx2
import msgspec

from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.upstream.settings import ClientCredentials, Upstream

MAXIMUM_BYTES: Final = 50_000_000
CONNECT_S: Final = 2.0
CONNECTIONS: Final = 16

_FHIR_JSON: Final = "application/fhir+json"
_SERVER_ERROR, _REDIRECT, _BAD_REQUEST, _TOO_MANY = 500, 300, 400, 429
_UNAUTHORISED: Final = 401
_MARGIN_S: Final = 30
_PACKED: Final = 3
"""So many times over a path may be percent-encoded and is still seen through."""

T = TypeVar("T")

Json = Any  # Any: JSON of a server that nobody here wrote; whoever reads it checks
Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What it said, below 500."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it did as it was asked."""
        return self.status < _REDIRECT

    def json(self) -> Json:
        """The body.

        Raises:
            UpstreamLies: it is no JSON object.
        """
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise UpstreamLies("the answer is no JSON") from None
        if not isinstance(found, dict):
            raise UpstreamLies("the answer is no JSON object")
        return found

    def read(self, type_: type[T]) -> T:
        """The body, as far as `type_` names it.

        Raises:
            UpstreamLies: it has another shape.
        """
        try:
            return msgspec.convert(self.json(), type_)
        except msgspec.ValidationError:
            raise UpstreamLies("the answer has another shape") from None


class UpstreamClient:
    """The connections to one server, until `close`."""

    def __init__(self, upstream: Upstream) -> None:
        """Speak with `upstream`; nothing is sent yet."""
        self._base = upstream.base.rstrip("/")
        timeout = httpx2.Timeout(upstream.timeout_s, connect=min(CONNECT_S, upstream.timeout_s))
        self._client = httpx2.Client(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=CONNECTIONS),
            headers={"accept": _FHIR_JSON, **dict(upstream.headers)},
            follow_redirects=False,
            trust_env=False,
        )
        self._within_s = upstream.timeout_s
        self.date: str | None = None
        """`Date` of the first answer since this was last set to None (RFC 9110 6.6.1)."""
        self._signing_in = upstream.credentials and _SignIn(upstream.credentials, self._client)

    @property
    def base(self) -> str:
        """Its address, without a slash at the end."""
        return self._base

    def get(self, path: str, parameters: Parameters = (), **headers: str) -> Answer:
        """Ask for `path`, relative to the base or a link that it gave.

        Raises:
            UpstreamDown: it did not answer, or failed.
            UpstreamLies: the link leads elsewhere.
        """
        return self.send("GET", path, parameters, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        parameters: Parameters = (),
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        as_it_is: bool = False,
    ) -> Answer:
        """Send one request, and read the whole answer; see `get`.

        `as_it_is`: whatever the status, it is an answer.
        """
        with self.stream(
            method, path, parameters, body=body, headers=headers, as_it_is=as_it_is
        ) as answer:
            data = bytearray()
            end = time.monotonic() + self._within_s
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > MAXIMUM_BYTES:
                    raise UpstreamLies("the answer is too long")
                if time.monotonic() > end:
                    raise UpstreamDown("the organisation's own FHIR server is too slow")
            return Answer(answer.status_code, answer.headers, bytes(data))

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        parameters: Parameters = (),
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        as_it_is: bool = False,
    ) -> Iterator[httpx2.Response]:
        """Send one request, for whoever reads the answer piece by piece; see `get`."""
        said = dict(headers or {})
        if body is not None:
            said.setdefault("content-type", _FHIR_JSON)
        if self._signing_in:
            said["authorization"] = self._signing_in.header()
        try:
            with self._client.stream(
                method, self.url(path), params=list(parameters) or None, content=body, headers=said
            ) as answer:
                if not as_it_is:
                    self._check(answer.status_code)
                self.date = self.date or answer.headers.get("date")
                yield answer
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UpstreamDown("the organisation's own FHIR server does not answer") from error

    def url(self, path: str) -> str:
        """The address of `path`, or of a link; below the base, or nothing is asked.

        Raises:
            UpstreamLies: it leads elsewhere.
        """
        if "://" not in path:
            path = f"{self._base}/{path}" if not path.startswith("?") else self._base + path
        else:
            path = urljoin(self._base + "/", path)
        asked, base = urlsplit(path), urlsplit(self._base)
        is_below = asked.path == base.path or asked.path.startswith(base.path + "/")
        if (asked.scheme, asked.netloc) != (base.scheme, base.netloc) or not is_below:
            raise UpstreamLies("a link that leads to another server")
        if any(map(_leads_up, asked.path.split("/"))):
            raise UpstreamLies("a link that leads out of the server's base")
        return path

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _check(self, status: int) -> None:
        if status == _UNAUTHORISED and self._signing_in:
            self._signing_in.forget()
        if status >= _SERVER_ERROR or status == _TOO_MANY:
            raise UpstreamDown(f"the organisation's own FHIR server answered {status}")
        if _REDIRECT <= status < _BAD_REQUEST:
            raise UpstreamLies("a redirect, which is not followed")


def _leads_up(segment: str) -> bool:
    r"""Whether some server takes it for a step up or none at all (RFC 3986 3.3, 5.2.4).

    Servers unpack `%2e`, some of them twice, take `\` for `/`, and cut at `;` before they look.
    """
    for _ in range(_PACKED):
        segment = unquote(segment)
    steps = segment.replace("\\", "/").split("/")
    return any(step.partition(";")[0].strip() in {".", ".."} for step in steps)


class _SignIn:
    """Keeps an access token for as long as it lasts."""

    def __init__(self, credentials: ClientCredentials, client: httpx2.Client) -> None:
        self._credentials, self._client, self._lock = credentials, client, Lock()
        self._token, self._until = "", 0.0

    def header(self) -> str:
        """What to send as `Authorization`.

        Raises:
            UpstreamDown: there is no token to be had.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._ask()
            return f"Bearer {self._token}"

    def forget(self) -> None:
        """Ask for another the next time: this one was refused."""
        with self._lock:
            self._until = 0.0

    def _ask(self) -> None:
        said = self._credentials
        try:
            answer = self._client.post(
                said.token_url,
                data={"grant_type": "client_credentials", "scope": "system/*.cruds"},
                auth=(said.client_id, said.secret),
                headers={"accept": "application/json"},
            )
            found = answer.raise_for_status().json()
            token, lasts_s = found["access_token"], float(found.get("expires_in", 60))
        except (httpx2.HTTPError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UpstreamDown("no token for the organisation's own FHIR server") from error
        self._token, self._until = str(token), time.monotonic() + max(1.0, lasts_s - _MARGIN_S)
