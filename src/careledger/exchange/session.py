"""Sessions: what a disclosure opened, for at most 15 minutes of follow-up reads."""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from careledger.exchange.cabinet import Cabinet, KeyNumber, Thing
from careledger.ledger.record import AccountId, Instant, MemberId, SignerId
from careledger.mechanisms.messages import Released
from careledger.mechanisms.policy import BasisName
from careledger.mechanisms.request import VerifiedRequest

_ABOUT: Final = "session"


@dataclass(slots=True)
class Session:
    """One open session at the custodian. Each read in it is decided anew; see `answer`."""

    id: bytes
    receiver: SignerId
    account: AccountId
    opened_by: VerifiedRequest
    transaction: bytes
    number: int
    expires: Instant
    basis: BasisName
    consent_id: bytes | None
    emergency: bytes | None
    seen: set[bytes] = field(default_factory=set)
    """Ids of the requests that were answered in it."""

    def head(self, custodian: MemberId, salt: bytes, as_of: Instant) -> Released:
        """The head of an answer in it; `as_of` is the time of the block that decided."""
        return Released(
            custodian=custodian,
            transaction=self.transaction,
            number=self.number,
            session=self.id,
            expires=self.expires,
            basis=self.basis,
            salt=salt,
            as_of=as_of,
        )

    def admits(self, verified: VerifiedRequest) -> bool:
        """Whether a follow-up comes from whom the session is for, for the same purpose."""
        first, again = self.opened_by.request, verified.request
        return (
            verified.receiver == self.receiver
            and again.account == self.account
            and again.practitioner == first.practitioner
            and again.role == first.role
            and again.purpose == first.purpose
            and set(again.actions) <= set(first.actions)
        )


class _Named(msgspec.Struct):
    id: bytes


class Sessions:
    """The open sessions of one custodian: in memory, and with a cabinet there after a restart."""

    def __init__(self, cabinet: Cabinet | None = None) -> None:
        """Begin with those that an earlier run left in `cabinet`, which may have other things."""
        self._cabinet = cabinet
        self._open: dict[bytes, Session] = {}
        for kept in () if cabinet is None else cabinet.by_about(_ABOUT):
            try:
                session = msgspec.msgpack.decode(kept.content, type=Session)
            except msgspec.ValidationError:  # another release kept it
                self._end([msgspec.msgpack.decode(kept.content, type=_Named).id])
            else:
                self._open[session.id] = session

    def add(self, session: Session, now: Instant) -> None:
        """Open one, durably if there is a cabinet; those that are over go."""
        self._end([id_ for id_, one in self._open.items() if one.expires <= now])
        if self._cabinet is not None:
            content = msgspec.msgpack.encode(session)
            name, key = _name(session.id), KeyNumber(0)
            self._cabinet.put([Thing(name, session.account, _ABOUT, content, False, key)])  # noqa: FBT003 - not done
        self._open[session.id] = session

    def find(self, id_: bytes, now: Instant) -> Session | None:
        """An open session."""
        found = self._open.get(id_)
        return found if found is not None and now < found.expires else None

    def close(self, id_: bytes) -> None:
        """End one: what it stood on holds no more."""
        self._end([id_] if id_ in self._open else [])

    def _end(self, ids: list[bytes]) -> None:
        for id_ in ids:
            self._open.pop(id_, None)
        if self._cabinet is not None and ids:
            self._cabinet.discard([_name(id_) for id_ in ids])

    def __len__(self) -> int:
        return len(self._open)


def _name(id_: bytes) -> str:
    return f"session {id_.hex()}"
