"""Sessions: what a disclosure opened, for at most 15 minutes of follow-up reads."""

from dataclasses import dataclass, field
from typing import Final

from careledger.exchange.shelf import Shelf
from careledger.ledger.record import AccountId, Instant, MemberId, SignerId
from careledger.mechanisms.messages import Released
from careledger.mechanisms.policy import BasisName
from careledger.mechanisms.request import VerifiedRequest

_KIND: Final = "session"


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


class Sessions:
    """The open sessions of one custodian: in memory, and on a shelf, there after a restart."""

    def __init__(self, shelf: Shelf) -> None:
        """Begin with those that an earlier run left."""
        self._shelf = shelf
        self._open: dict[bytes, Session] = {}
        for note in shelf.left(_KIND):
            session = note.understood(Session)
            if session is None:
                shelf.drop(_KIND, [note.key])
            else:
                self._open[session.id] = session

    def add(self, session: Session, now: Instant) -> None:
        """Open one, as durably as the shelf is; those that are over go."""
        self._end([id_ for id_, one in self._open.items() if one.expires <= now])
        self._shelf.keep(_KIND, session.id.hex(), session.account, session.expires, session)
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
        self._shelf.drop(_KIND, [id_.hex() for id_ in ids])

    def __len__(self) -> int:
        return len(self._open)
