"""The patient's log in plain sentences: who looked, why, under which permission, and who could not.

It is told from the whole log, which the wallet has read and checked, so nothing is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from careledger.apps import pages
from careledger.apps.consent.commands import ConsentDenied, ConsentGranted, ConsentRevoked
from careledger.apps.identity.commands import (
    AccountClaimed,
    AccountEnrolled,
    AccountKeyRotated,
    ClaimReissued,
)
from careledger.apps.records.commands import (
    AccessRefused,
    Acknowledged,
    Disclosed,
    EmergencyStated,
    OfflineRecorded,
    ReadsAnchored,
)
from careledger.display import sentence, show
from careledger.ledger.record import Instant, Record
from careledger.wallet import names as say
from careledger.wallet.ledger_copy import Seen
from careledger.wallet.names import Names
from careledger.wallet.wallet import Wallet

Kind = Literal["access", "refusal", "reads", "emergency", "acknowledgement", "consent", "other"]

LOOKED: tuple[Kind, ...] = ("access", "refusal", "reads", "emergency")
"""What "who looked" means."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that happened, and where the log has it."""

    at: Instant
    kind: Kind
    sentence: str
    custodian: str | None
    index: int
    transaction: bytes
    event: Record


def story(wallet: Wallet) -> list[Line]:
    """Everything that happened about the patient's accounts, oldest first."""
    labels = {held.consent_id: held.label for held in wallet.contents.consents}
    names = Names(wallet.view, labels)
    return [_line(names, seen, wallet.copy.event_of(seen)) for seen in wallet.copy.seen]


def who_looked(wallet: Wallet, custodian: str | None = None) -> Iterator[Line]:
    """Who asked for, got, read or was refused the patient's records, at one custodian or all."""
    for line in story(wallet):
        if line.kind in LOOKED and custodian in {None, line.custodian}:
            yield line


def _line(names: Names, seen: Seen, event: Record) -> Line:
    kind, told = _tell(names, seen.application, event)
    return Line(
        at=seen.time,
        kind=kind,
        sentence=told[:1].upper() + told[1:],
        custodian=getattr(event, "custodian", None),
        index=seen.index,
        transaction=seen.transaction,
        event=event,
    )


def _tell(names: Names, application: str, event: Record) -> tuple[Kind, str]:
    match event:
        case Disclosed():
            return "access", _disclosed(names, event)
        case AccessRefused():
            return "refusal", _refused(names, event)
        case ReadsAnchored() | EmergencyStated() | OfflineRecorded() | Acknowledged():
            return _around(names, event)
        case ConsentGranted() | ConsentDenied() | ConsentRevoked():
            return "consent", _consent(names, event)
        case _:
            return "other", _other(names, application, event)


def _around(
    names: Names, event: ReadsAnchored | EmergencyStated | OfflineRecorded | Acknowledged
) -> tuple[Kind, str]:
    """What happens before and after a disclosure."""
    custodian = names.of(event.custodian)
    match event:
        case ReadsAnchored(receiver=receiver, size=size, number=number):
            times = "once" if size == 1 else f"{size} times"
            told = f"looked {times} more into your records at {custodian} (answer {number})."
            return "reads", f"{names.of(receiver)} {told}"
        case EmergencyStated(practitioner=practitioner, reason=reason):
            told = f"signed, at {custodian}, for an emergency: {say.reason(reason)}."
            return "emergency", f"{names.of(practitioner)} {told}"
        case OfflineRecorded(released=released, genuine=genuine, number=number):
            when = show(pages()["records"], "released", released)
            told = f"gave answer {number} on {when} already, when the network could not decide"
            doubt = "" if genuine else "; the network does not find the emergency genuine"
            return "emergency", f"{custodian} {told}{doubt}."
        case Acknowledged(receiver=receiver, number=number):
            told = f"confirmed what {custodian} gave (answer {number})."
            return "acknowledgement", f"{names.of(receiver)} {told}"


def _disclosed(names: Names, event: Disclosed) -> str:
    custodian = names.of(event.custodian)
    if event.basis == "own-access":
        return f"you looked into your own record at {custodian}."
    why = f"because of {event.basis}"
    if event.basis == "grant" and event.basis_id is not None:
        why = f"as {names.consent(event.basis_id)} allows"
    if event.basis == "break-glass":
        why = "in an emergency, without your consent"
    return (
        f"{names.asker(event.receiver, event.practitioner, event.role)} got to "
        f"{say.actions(event.actions)} your records at {custodian} for "
        f"{say.purposes([event.purpose])}, {why}."
    )


def _refused(names: Names, event: AccessRefused) -> str:
    return (
        f"{names.asker(event.receiver, event.practitioner, event.role)} wanted to "
        f"{say.actions(event.actions)} your records at {names.of(event.custodian)} for "
        f"{say.purposes([event.purpose])} and was refused: {say.dimensions(event.dimensions)}."
    )


def _consent(names: Names, event: ConsentGranted | ConsentDenied | ConsentRevoked) -> str:
    if isinstance(event, ConsentRevoked):
        return f"you ended {names.consent(event.consent_id)}."
    page = pages()["consent"]
    until = event.valid_until
    time = f"from {show(page, 'valid_from', event.valid_from)}" + (
        f" until {show(page, 'valid_until', until)}" if until is not None else " until you end it"
    )
    whom = "anyone" if event.grantee is None else names.of(event.grantee)
    if event.practitioner is not None or event.role is not None:
        whom = names.asker(str(event.grantee), event.practitioner, event.role)
    verb = "allowed" if isinstance(event, ConsentGranted) else "forbade"
    return (
        f"you {verb} {whom} to {say.actions(event.actions)} your records at "
        f"{names.of(event.custodian)} for {say.purposes(event.purposes)}, {time}: "
        f"{names.consent(event.consent_id)}."
    )


def _other(names: Names, application: str, event: Record) -> str:
    match event:
        case AccountEnrolled():
            return f"{names.of(event.member)} opened an account for you."
        case ClaimReissued():
            return f"{names.of(event.member)} gave you a code to claim your account with."
        case AccountClaimed():
            return "you claimed your account: only your key signs for it now."
        case AccountKeyRotated():
            return "you replaced your key; the old one signs no more."
        case _:
            page = pages().get(application)
            if page is None or type(event) not in page.says:
                return f"{application}: {type(event).__name__}."
            return _with_names(names, sentence(page, event), event) + "."


def _with_names(names: Names, told: str, event: Record) -> str:
    """The application's own sentence, with names for ids."""
    for field in ("account", "member", "custodian", "receiver", "practitioner", "staff", "witness"):
        id_ = getattr(event, field, None)
        if isinstance(id_, str):
            told = told.replace(id_, names.of(id_))
    return told
