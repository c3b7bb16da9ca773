"""Signing in to an application at an organisation: the patient approves the code that a page shows.

The assertion (RFC 7523) is signed with a key of its own toward that organisation, which the wallet
registers on the ledger when it is first needed.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec

from careledger.apps.identity import APPLICATION
from careledger.apps.identity.commands import RegisterAccountKey
from careledger.ledger.errors import Unavailable
from careledger.ledger.membership import live_key
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, MemberId
from careledger.ledger.signature import SigningKey, key_id
from careledger.wallet.contents import HeldAccount
from careledger.wallet.errors import NotAnswered
from careledger.wallet.post import TIMEOUT_S, gateway_of
from careledger.wallet.wallet import Wallet

APPROVALS_PATH: Final = "/auth/approvals"
ASSERTION_S: Final = 120


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A sign-in that waits for the patient."""

    held: HeldAccount
    code: str
    address: str
    application: str
    may: Sequence[str]
    """What it asks for, in words."""


async def look(wallet: Wallet, member: str, code: str) -> Waiting:
    """Which application shows `code` at `member`'s page, and what it asks for.

    Raises:
        NoAccount, NotReachable: the patient is not known there, or it cannot be reached.
        NotAnswered: no page shows that code.
        Unavailable: no answer.
    """
    held = wallet.contents.account_at(member)
    address = gateway_of(wallet.view, MemberId(held.member)).rstrip("/") + APPROVALS_PATH
    text = code.strip().upper()
    found = await _send("GET", f"{address}/{quote(text, '')}")
    return Waiting(
        held=held,
        code=text,
        address=address,
        application=str(found["application"]),
        may=tuple(map(str, found["may"])),
    )


async def approve(wallet: Wallet, waiting: Waiting) -> None:
    """Sign in to it.

    Raises:
        NotAnswered: the organisation refused.
        Unavailable: no answer.
    """
    key = await _client_key(wallet, waiting.held)
    form = {"client_assertion": _assertion(key, waiting, wallet.clock())}
    await _send("POST", waiting.address, form)


async def _client_key(wallet: Wallet, held: HeldAccount) -> SigningKey:
    account, key = AccountId(held.account), wallet.client_key_at(held)
    if live_key(wallet.view, account, key_id(key.public)) is None:
        proved = new_key(key, "client", account, wallet.chain)
        await wallet.submit(held, APPLICATION.name, RegisterAccountKey(key=proved))
        await wallet.refresh()
    return key


def _assertion(key: SigningKey, waiting: Waiting, now: int) -> str:
    account = waiting.held.account
    header = {"alg": key.algorithm, "typ": "JWT", "kid": key_id(key.public).hex()}
    claims = {
        "iss": account,
        "sub": account,
        "aud": waiting.address,
        "iat": now,
        "exp": now + ASSERTION_S,
        "jti": secrets.token_urlsafe(16),
        "sign_in": waiting.code,
        "extensions": {"hl7-b2b": {"version": "1", "purpose_of_use": ["PATRQT"]}},
    }
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
    return b".".join((signed, _base64url(key.sign(signed)))).decode()


def _base64url(data: bytes) -> bytes:
    """Without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


async def _send(method: str, url: str, form: dict[str, str] | None = None) -> Any:  # Any: JSON
    try:
        async with httpx2.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        ) as http:
            answer = await http.request(method, url, data=form)
        found = msgspec.json.decode(answer.content)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unavailable(f"no answer from {url}: {type(error).__name__}") from error
    except msgspec.DecodeError as error:
        raise Unavailable(f"no answer from {url} that can be read") from error
    if not answer.is_success:
        raise NotAnswered(str(found.get("error_description", "the organisation refused")))
    return found
