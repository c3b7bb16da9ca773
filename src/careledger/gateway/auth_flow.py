"""Sign-ins to applications that are under way: from `/auth/authorize` to the code.

Each belongs to the browser that began it, by a cookie, and every page of it carries a token of its
own (RFC 9700 4.7). They are in memory and are forgotten after ten minutes; a flood of them pushes
out its own.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_provider import Attempt
from careledger.gateway.auth_scopes import Scopes
from careledger.gateway.auth_tokens import digest_of, new_token, owner_of
from careledger.ledger.record import Instant
from careledger.mechanisms.purpose import Purpose

SIGN_IN_S: Final = 600
CODE_S: Final = 60
REMEMBERED_S: Final = 3_600
"""How long a used code is known, so that using it again is noticed."""

LAUNCH_S: Final = 300
MOST: Final = 10_000
"""Of each kind at once."""

V = TypeVar("V")

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
    sought: str = ""
    """What was looked for last to find the patient."""
    patient: str | None = None
    label: str = ""
    """The patient's name and birth date, for the pages."""
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


class Shortlived(Generic[V]):
    """Things by name that end, each of which is somebody's; nobody's crowd out those of others.

    When there are too many, whoever has the most loses the oldest of theirs: who has no more than
    an equal part of the room loses nothing, whatever others do.
    """

    def __init__(self, seconds: int) -> None:
        """Each ends after so many seconds, unless told otherwise."""
        self._seconds = seconds
        self._found: dict[str, tuple[Instant, str, V]] = {}
        self._of: dict[str, dict[str, None]] = {}
        """Whose they are, the oldest first."""
        self._swept: Instant = 0

    def put(self, key: str, value: V, now: Instant, owner: str, seconds: int | None = None) -> None:
        """Remember `value`, which uses the room of `owner`."""
        self._forget(key)
        self._found[key] = now + (self._seconds if seconds is None else seconds), owner, value
        self._of.setdefault(owner, {})[key] = None
        if len(self._found) > MOST and now != self._swept:
            self._sweep(now)
        while len(self._found) > MOST:
            most = max(self._of.values(), key=len)  # of equals whoever came first
            self._forget(next(iter(most)))

    def get(self, key: str, now: Instant) -> V | None:
        """What is remembered; None if nothing is."""
        found = self._found.get(key)
        return found[2] if found is not None and now < found[0] else None

    def replace(self, key: str, value: V) -> None:
        """Remember `value` in the place of what is there, and no longer."""
        if key in self._found:
            self._found[key] = (*self._found[key][:2], value)

    def take(self, key: str, now: Instant) -> V | None:
        """What is remembered, which now is forgotten."""
        value = self.get(key, now)
        self._forget(key)
        return value

    def remove_where(self, test: Callable[[V], bool]) -> None:
        """Forget everything that passes; looks at all of it."""
        for key in [key for key, (_, _, value) in self._found.items() if test(value)]:
            self._forget(key)

    def _sweep(self, now: Instant) -> None:
        """Forget what is over; at most once a second, since it looks at everything."""
        self._swept = now
        for key in [key for key, (until, _, _) in self._found.items() if until <= now]:
            self._forget(key)

    def _forget(self, key: str) -> None:
        found = self._found.pop(key, None)
        if found is not None:
            theirs = self._of[found[1]]
            del theirs[key]
            if not theirs:
                del self._of[found[1]]


class SignIns:
    """Every sign-in of one gateway that is under way, every code, and every launch."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._open = Shortlived[SignIn](SIGN_IN_S)
        self._codes_of_wallets = Shortlived[str](SIGN_IN_S)
        self._granted = Shortlived[Granted](CODE_S)
        self._launches = Shortlived[Launch](LAUNCH_S)
        self._ended = Shortlived[tuple[SignIn, str, str]](CODE_S)

    def begin(self, asked: Asked, cookie: str, now: Instant, whence: str) -> SignIn:
        """A new one, for the browser that has `cookie` and asks from the address `whence`."""
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
        self._open.put(begun.id, begun, now, whence)
        self._codes_of_wallets.put(code, begun.id, now, whence)
        return begun

    def find(self, id_: str, cookie: str, now: Instant) -> SignIn | None:
        """The sign-in `id_`, for the browser that began it and no other."""
        found = self._open.get(id_, now)
        is_its = found is not None and hmac.compare_digest(found.browser, digest_of(cookie))
        return found if is_its else None

    def by_code(self, code: str, now: Instant) -> SignIn | None:
        """The sign-in whose page shows `code`, as long as nobody has signed in to it."""
        id_ = self._codes_of_wallets.get(code.strip().upper(), now)
        found = None if id_ is None else self._open.get(id_, now)
        return found if found is not None and found.identity is None else None

    def go_on(self, sign_in: SignIn, **changed: Any) -> SignIn:  # Any: fields of SignIn
        """Remember what is known now."""
        after = replace(sign_in, **changed)
        self._open.replace(sign_in.id, after)
        return after

    def end(self, sign_in: SignIn, now: Instant, address: str = "", code: str = "") -> None:
        """It is over, one way or the other: the browser goes to `address`, with `code`."""
        self._open.take(sign_in.id, now)
        self._codes_of_wallets.take(sign_in.code, now)
        who = sign_in.identity
        if address and who is not None:
            owner = who.subject or who.signer
            self._ended.put(sign_in.id, (sign_in, address, digest_of(code)), now, owner)

    def repeated(self, id_: str, cookie: str, form: str, now: Instant) -> str | None:
        """Where the last form of a sign-in led, for whoever sends it again: a double click.

        The browser drops the first answer then. Only until the code was used: after that it would
        end what came of it.
        """
        ended = self._ended.get(id_, now)
        if ended is None:
            return None
        sign_in, address, code = ended
        granted = self._granted.get(code, now)
        is_its = hmac.compare_digest(sign_in.browser, digest_of(cookie)) and hmac.compare_digest(
            sign_in.form.encode(), form.encode()
        )
        return address if is_its and not (granted is not None and granted.used) else None

    def give_code(self, granted: Granted, now: Instant) -> str:
        """A code that counts once, for a minute."""
        code = new_token()
        self._granted.put(digest_of(code), granted, now, owner_of(granted.caller))
        return code

    def take_code(self, code: str, now: Instant) -> Granted | None:
        """What a code stands for; from now on it has been used, whatever comes of it.

        The second use ends all that came of the first, so that nothing is left for a third to end.
        """
        found = self._granted.take(digest_of(code), now)
        if found is not None and not found.used:
            used, owner = replace(found, used=True), owner_of(found.caller)
            self._granted.put(digest_of(code), used, now, owner, REMEMBERED_S)
        return found

    def prepare(self, launch: Launch, now: Instant, owner: str) -> str:
        """A launch token that counts once; it uses the room of `owner`, who prepares it."""
        token = new_token()
        self._launches.put(digest_of(token), launch, now, owner)
        return token

    def take_launch(self, token: str, now: Instant) -> Launch | None:
        """What a launch token stands for; it is used up."""
        return self._launches.take(digest_of(token), now)

    def end_about(self, patient: str, account: str) -> None:
        """End what is under way of a patient, or with that patient in context: they are erased."""

        def is_about(who: Identity | None, local: str | None) -> bool:
            return patient == local or (who is not None and account == who.signer)

        self._open.remove_where(lambda one: is_about(one.identity, one.patient))
        self._granted.remove_where(lambda one: is_about(one.caller.identity, one.caller.patient))
        self._launches.remove_where(lambda one: is_about(None, one.patient))
