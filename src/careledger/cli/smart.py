"""A client of a gateway: signs in with SMART Backend Services, then speaks FHIR.

The assertion states one purpose of use; there is none by default.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx2
import msgspec

from careledger.cli.clock import wall_clock
from careledger.ledger.errors import LedgerError, Unavailable
from careledger.ledger.signature import SigningKey, key_id

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 60.0
ASSERTION_S = 120
RENEW_S = 60
"""A token is renewed when it has less than so many seconds left."""

FORBIDDEN = 403

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class GatewayRefused(LedgerError):
    """A gateway said no; `status` is its HTTP status, `outcome` its OperationOutcome if any."""

    def __init__(self, status: int, reason: str, outcome: object = None) -> None:
        super().__init__(reason)
        self.status, self.outcome = status, outcome


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who signs in at which gateway, for whom and why."""

    gateway: str
    id: str
    """Member or practitioner account."""
    key: SigningKey
    """An ES256 key registered for the use `client`."""
    purpose: str
    practitioner: str | None = None
    role: str | None = None
    scope: str = "system/*.rs"

    def assertion(self, audience: str) -> str:
        """The signed JWT (RFC 7523 3) with the extension hl7-b2b."""
        now = wall_clock()
        business: dict[str, object] = {"version": "1", "purpose_of_use": [self.purpose]}
        if self.practitioner is not None:
            business["subject_id"] = self.practitioner
        if self.role is not None:
            business["subject_role"] = self.role
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_S,
            "extensions": {"hl7-b2b": business},
        }
        header = {"alg": "ES256", "typ": "JWT", "kid": key_id(self.key.public).hex()}
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
        return b".".join((signed, _base64url(self.key.sign(signed)))).decode()


def _base64url(data: bytes) -> bytes:
    """Without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Session:
    """A client that signs in when it must; owns its connections until `close`."""

    def __init__(self, client: Client) -> None:
        """Sign in as `client`, at the first request."""
        self._client = client
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        self._token, self._until = "", 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(
        self,
        path: str,
        parameters: tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # Any: JSON
        """A resource or document below the gateway's address.

        Raises:
            GatewayRefused: it said no.
            Unavailable: it did not answer.
        """
        return await self._send("GET", path, params=parameters or None, headers=headers or {})

    async def post(self, path: str, body: bytes, media_type: str) -> Any:  # Any: JSON
        """What the gateway answers to `body`; raises as `get` does."""
        return await self._send("POST", path, content=body, headers={"content-type": media_type})

    async def token(self) -> str:
        """An access token, for a program that speaks HTTP itself."""
        await self._sign_in()
        return self._token

    async def _send(self, method: str, path: str, **request: Any) -> Any:  # Any: httpx's own; JSON
        await self._sign_in()
        headers = {"authorization": f"Bearer {self._token}", **request.pop("headers", {})}
        url = self._client.gateway.rstrip("/") + path
        return await self._answer(method, url, headers=headers, **request)

    async def _sign_in(self) -> None:
        if wall_clock() < self._until - RENEW_S:
            return
        url = self._client.gateway.rstrip("/") + "/auth/token"
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": self._client.assertion(url),
            "scope": self._client.scope,
        }
        found = await self._answer("POST", url, data=form)
        self._token = str(found["access_token"])
        self._until = wall_clock() + int(found["expires_in"])

    async def _answer(self, method: str, url: str, **request: Any) -> Any:  # Any: httpx's own; JSON
        try:
            answer = await self._http.request(method, url, **request)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"no answer from {url}: {type(error).__name__}") from error
        try:
            found = msgspec.json.decode(answer.content) if answer.content else None
        except msgspec.DecodeError:
            found = None
        if not answer.is_success:
            raise GatewayRefused(answer.status_code, reason_of(answer.status_code, found), found)
        return found


def reason_of(status: int, found: object) -> str:
    """Why, as an OperationOutcome, an OAuth error or a problem document says."""
    if isinstance(found, dict):
        for issue in found.get("issue", []):
            details = issue.get("details", {})
            codes = [str(one.get("code", "")) for one in details.get("coding", [])]
            text = str(details.get("text") or issue.get("diagnostics") or issue.get("code", ""))
            return _refusal(codes) if status == FORBIDDEN and codes else text
        for name in ("error_description", "detail", "title", "error"):
            if found.get(name):
                return str(found[name])
    return f"the gateway answered {status}"


def _refusal(dimensions: Sequence[str]) -> str:
    """A refusal in words, as far as whoever asked may know why."""
    words = [_OUTSIDE.get(one, one) for one in dimensions]
    return f"refused: {'; '.join(words)} ({', '.join(dimensions)})"


_OUTSIDE = {
    "custodian": "no consent is about the records there",
    "grantee": "your organisation is not allowed",
    "person": "you are not allowed",
    "role": "that role is not allowed",
    "purpose": "that purpose is not allowed",
    "action": "that is more than is allowed: ask for one resource TYPE",
    "validity": "it is not allowed at this time",
    "status": "the patient has ended it",
    "terms": "it lies outside what is allowed",
    "denial": "the patient said no",
    "consent": "there is no consent",
}


def member_client(home: "Path", purpose: str, scope: str, gateway: str | None = None) -> Client:
    """The client of a member whose home is on this machine.

    Raises:
        BadConfiguration, BadKeyFile: the home is not one.
    """
    from careledger.node.config import load_gateway
    from careledger.vault.keyfile import load_signing_key

    config = load_gateway(home)
    return Client(
        gateway=gateway or f"http://{config.host}:{config.port}",
        id=config.member,
        key=load_signing_key(home / "keys" / "client.key"),
        purpose=purpose,
        scope=scope,
    )
