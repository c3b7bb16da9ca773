"""Sign-ins to applications that are under way: from `/auth/authorize` to the code.

Each belongs to the browser that began it, by a cookie, and every page of it carries a token of its
own (RFC 9700 4.7). They are in memory, are forgotten after ten minutes, and the oldest first.
"""

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final

from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_provider import Attempt
from careledger.gateway.auth_scopes import Scopes
from careledger.gateway.auth_tokens import digest_of, new_token
from careledger.ledger.record import Instant
from careledger.mechanisms.purpose import Purpose

SIGN_IN_S: Final = 600
CODE_S: Final = 60
REMEMBERED_S: Final = 3_600
"""How long a used code is known, so that using it again is noticed."""

LAUNCH_S: Final = 300
MOST: Final = 10_000

_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What somebody was looking at when they opened the application (EHR launch)."""

    patient: str | None
    encounter: str | None
    client: str | None
    """The only application that may use it; None for any."""
    subject: str | None
    """The only person who may use it; None for any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What an application asked for, checked as far as it can be before anybody signs in."""

    client: str
    redirect_uri: str
    scopes: Scopes
    state: str
    challenge: str
    nonce: str | None = None
    purpose: Purpose | None = None
    launch: Launch | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignIn:
    """One sign-in; each step replaces it by one that knows more."""

    id: str
    browser: str
    """Digest of the cookie of the browser that began it."""
    form: str
    """What every form of it carries."""
    code: str
    """What a patient types into the wallet."""
    asked: Asked
    attempt: Attempt | None = None
    identity: Identity | None = None
    name: str = ""
    user: str | None = None
    signed_in: Instant = 0
    purpose: Purpose | None = None
    patient: str | None = None
    label: str = ""
    """The patient's name, for the pages."""
    encounter: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """What a code stands for."""

    caller: Caller
    redirect_uri: str
    challenge: str
    nonce: str | None
    signed_in: Instant
    family: str
    used: bool = False


class Shortlived:
    """Things by name that end; the oldest goes when there are too many."""

    def __init__(self, seconds: int) -> None:
        """Each ends after so many seconds, unless told otherwise."""
        self._seconds = seconds
        self._found = OrderedDict[str, tuple[Instant, Any]]()  # Any: what each use of it puts in

    def put(self, key: str, value: object, now: Instant, seconds: int | None = None) -> None:
        """Remember `value`."""
        until = now + (self._seconds if seconds is None else seconds)
        self._found[key] = until, value
        self._found.move_to_end(key)
        while len(self._found) > MOST:
            self._found.popitem(last=False)

    def get(self, key: str, now: Instant) -> Any:  # Any: see above
        """What is remembered; None if nothing is."""
        until, value = self._found.get(key, (0, None))
        return value if now < until else None

    def replace(self, key: str, value: object) -> None:
        """Remember `value` in the place of what is there, and no longer."""
        if key in self._found:
            self._found[key] = self._found[key][0], value

    def take(self, key: str, now: Instant) -> Any:  # Any: see above
        """What is remembered, which now is forgotten."""
        until, value = self._found.pop(key, (0, None))
        return value if now < until else None


class SignIns:
    """Every sign-in of one gateway that is under way, every code, and every launch."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._open = Shortlived(SIGN_IN_S)
        self._codes_of_wallets = Shortlived(SIGN_IN_S)
        self._granted = Shortlived(CODE_S)
        self._launches = Shortlived(LAUNCH_S)

    def begin(self, asked: Asked, cookie: str, now: Instant) -> SignIn:
        """A new one, for the browser that has `cookie`."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
        code = f"{letters[:4]}-{letters[4:]}"
        begun = SignIn(
            id=secrets.token_urlsafe(12),
            browser=digest_of(cookie),
            form=new_token(),
            code=code,
            asked=asked,
            purpose=asked.purpose,
        )
        self._open.put(begun.id, begun, now)
        self._codes_of_wallets.put(code, begun.id, now)
        return begun

    def find(self, id_: str, cookie: str, now: Instant) -> SignIn | None:
        """The sign-in `id_`, for the browser that began it and no other."""
        found: SignIn | None = self._open.get(id_, now)
        is_its = found is not None and hmac.compare_digest(found.browser, digest_of(cookie))
        return found if is_its else None

    def by_code(self, code: str, now: Instant) -> SignIn | None:
        """The sign-in whose page shows `code`, as long as nobody has signed in to it."""
        id_ = self._codes_of_wallets.get(code.strip().upper(), now)
        found: SignIn | None = None if id_ is None else self._open.get(id_, now)
        return found if found is not None and found.identity is None else None

    def go_on(self, sign_in: SignIn, **changed: Any) -> SignIn:  # Any: fields of SignIn
        """Remember what is known now."""
        after = replace(sign_in, **changed)
        self._open.replace(sign_in.id, after)
        return after

    def end(self, sign_in: SignIn, now: Instant) -> None:
        """It is over, one way or the other."""
        self._open.take(sign_in.id, now)
        self._codes_of_wallets.take(sign_in.code, now)

    def give_code(self, granted: Granted, now: Instant) -> str:
        """A code that counts once, for a minute."""
        code = new_token()
        self._granted.put(digest_of(code), granted, now)
        return code

    def take_code(self, code: str, now: Instant) -> Granted | None:
        """What a code stands for; from now on it has been used, whatever comes of it.

        The second use ends all that came of the first, so that nothing is left for a third to end.
        """
        found: Granted | None = self._granted.take(digest_of(code), now)
        if found is not None and not found.used:
            self._granted.put(digest_of(code), replace(found, used=True), now, REMEMBERED_S)
        return found

    def prepare(self, launch: Launch, now: Instant) -> str:
        """A launch token that counts once."""
        token = new_token()
        self._launches.put(digest_of(token), launch, now)
        return token

    def take_launch(self, token: str, now: Instant) -> Launch | None:
        """What a launch token stands for; it is used up."""
        found: Launch | None = self._launches.take(digest_of(token), now)
        return found
