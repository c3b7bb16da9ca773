"""Tokens: 256 random bits each, of which only digests are kept, and assertions that were used.

Tokens that grew out of one sign-in are a family: whoever shows a refresh token twice, or a code,
ends the whole of it (RFC 9700 4.14.2).
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from careledger.exchange.shelf import Shelf
from careledger.gateway.auth_caller import Caller
from careledger.gateway.auth_memory import MOST, MOST_EACH, Memory
from careledger.ledger.record import Instant

TOKEN_S: Final = 300
"""How long an access token counts, in seconds."""

ONLINE_S: Final = 12 * 3_600
OFFLINE_S: Final = 90 * 86_400
"""How long after the sign-in its refresh tokens count: `online_access`, `offline_access`."""

TOKEN_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """An access token, whose it is and where it came from."""

    caller: Caller
    family: str
    issued: Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Refresh:
    """A refresh token. One that was used stays, so that using it again is noticed."""

    caller: Caller
    family: str
    issued: Instant
    used: bool = False


class Tokens:
    """The tokens of one gateway."""

    def __init__(
        self, shelf: Shelf | None = None, most: int = MOST, most_each: int = MOST_EACH
    ) -> None:
        """Go on with what `shelf` has; hold at most `most`, of one signer `most_each`."""
        shelf = shelf or Shelf()
        self._access = Memory(shelf, "access", Access, most=most, most_each=most_each)
        self._refresh = Memory(shelf, "refresh", Refresh, most=most, most_each=most_each)

    def issue(self, caller: Caller, now: Instant, family: str | None = None) -> str:
        """Return a new token for `caller`, good for `TOKEN_S`.

        Raises:
            Unavailable: too many are out.
        """
        token = new_token()
        access = Access(caller=caller, family=family or new_token(), issued=now)
        self._access.add(digest_of(token), access, owner_of(caller), now + TOKEN_S, now)
        return token

    def find(self, token: str, now: Instant) -> Caller | None:
        """Whose token it is; None if it is none of ours, or over."""
        found = self.access(token, now)
        return None if found is None else found.caller

    def access(self, token: str, now: Instant) -> Access | None:
        """The access token that was issued as `token`."""
        return self._access.get(digest_of(token), now)

    def issue_refresh(self, caller: Caller, now: Instant, family: str, until: Instant) -> str:
        """Return a new refresh token of a family, good before `until`.

        Raises:
            Unavailable: too many are out.
        """
        token = new_token()
        refresh = Refresh(caller=caller, family=family, issued=now)
        self._refresh.add(digest_of(token), refresh, owner_of(caller), until, now)
        return token

    def refresh(self, token: str, now: Instant) -> Refresh | None:
        """The refresh token that was issued as `token`, used or not."""
        return self._refresh.get(digest_of(token), now)

    def rotate(self, token: str, now: Instant) -> str:
        """Use up a refresh token, and return the one that follows; it ends no later.

        Raises:
            KeyError: there is none, or it was used.
            Unavailable: too many are out.
        """
        name = digest_of(token)
        found, until = self._refresh.get(name, now), self._refresh.expires(name)
        if found is None or found.used:
            raise KeyError("no refresh token")
        caller = found.caller
        used = Refresh(caller=caller, family=found.family, issued=found.issued, used=True)
        self._refresh.add(name, used, owner_of(caller), until, now)
        return self.issue_refresh(caller, now, found.family, until)

    def expires(self, token: str) -> Instant:
        """When a token of either kind ends; 0 if it is none."""
        name = digest_of(token)
        return self._access.expires(name) or self._refresh.expires(name)

    def end_family(self, family: str) -> None:
        """End every token that grew out of one sign-in."""
        self._access.remove_where(lambda one: one.family == family)
        self._refresh.remove_where(lambda one: one.family == family)

    def end_about(self, patient: str, account: str) -> None:
        """End every token of a patient, or with that patient in context: they are erased."""

        def is_about(one: Access | Refresh) -> bool:
            return patient == one.caller.patient or account == one.caller.identity.signer

        self._access.remove_where(is_about)
        self._refresh.remove_where(is_about)

    def end(self, token: str) -> None:
        """End one access token."""
        self._access.remove(digest_of(token))


class SeenAssertions:
    """Assertions that were used, until they expire: each counts once (RFC 7523 3, `jti`)."""

    def __init__(
        self, shelf: Shelf | None = None, most: int = MOST, most_each: int = MOST_EACH
    ) -> None:
        """Go on with what `shelf` has."""
        self._seen = Memory(shelf or Shelf(), "assertion", bool, most=most, most_each=most_each)

    def use(self, issuer: str, jti: str, expires: Instant, now: Instant) -> bool:
        """Whether this is its first use; from now on it has been used.

        Raises:
            Unavailable: too many are remembered.
        """
        name = digest_of(f"{issuer} {jti}")
        if self._seen.get(name, now):
            return False
        self._seen.add(name, True, issuer, expires, now)  # noqa: FBT003 - a set with ends
        return True


def owner_of(caller: Caller) -> str:
    """Whose share of the memory a token uses: a person's or program's, never an organisation's."""
    who = caller.identity
    return f"{who.signer} {who.subject or ''} {caller.client or ''}"


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(text: str) -> str:
    """Under which a secret is remembered."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
