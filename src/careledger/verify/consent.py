"""Consent receipts: what a patient said, under which terms, and whether it still stood later."""

import hmac
from collections.abc import Mapping, Sequence

from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.record import Hash, Instant, Record, decode
from careledger.ledger.state import Table
from careledger.verify.event import event_fields, event_type
from careledger.verify.format import ConsentFile, RowFile
from careledger.verify.row import check_row
from careledger.verify.step import Step, Steps, day, moment
from careledger.verify.transaction import check_receipt
from careledger.verify.trust import Believed

_SAID = {"granted": "allows", "denied": "forbids", "paper-attested": "said, on paper, about"}
"""The events of the application `consent` that a receipt may be about."""


class ConsentRow(Record, array_like=True):
    """A consent as it stands: a row of the application `consent`."""

    kind: str
    form: str
    custodian: str
    grantee: str | None
    practitioner: str | None
    role: str | None
    purposes: tuple[str, ...]
    actions: tuple[str, ...]
    valid_from: int
    valid_until: int | None
    terms: Hash | None
    given: Instant
    ended: Instant | None


CONSENTS = Table("consent.envelopes", ConsentRow, (str, bytes))
"""That application's table: by account and consent id."""

Fields = Mapping[str, object]


def check_consent(file: ConsentFile, trusts: Sequence[Believed]) -> Steps[None]:
    """Check a consent receipt: what was said, the receipt of it, then the state since.

    Raises:
        Malformed, ProofError: it does not show what it says.
    """
    said = _find_said(file)
    yield Step(sentence=_describe(said))
    if file.terms is not None:
        yield Step(sentence="The terms given here are those that it commits to.")
    elif said.get("terms") is not None:
        yield Step(sentence="It has terms, which only its parties hold; they are not in this file.")
    yield from check_receipt(file.receipt, trusts)
    if file.standing is not None:
        yield from _check_standing(file, file.standing, said, trusts)


def _find_said(file: ConsentFile) -> Fields:
    """The one event that the file is about: the one whose terms these are, or the only one.

    Raises:
        ProofError: there is none, or the terms are others.
    """
    if (file.terms is None) != (file.salt is None):
        raise ProofError("terms and salt belong together")
    said = [
        event_fields(event)
        for event in file.receipt.proof.events
        if event.application == "consent" and event_type(event) in _SAID
    ]
    if file.terms is not None and file.salt is not None:
        commitment = hmac.digest(file.salt, file.terms, "sha256")
        said = [fields for fields in said if fields.get("terms") == commitment]
    if len(said) != 1:
        raise ProofError(
            "the transaction must hold one consent, with the terms of this file",
            expected=1,
            actual=len(said),
        )
    return said[0]


def _check_standing(
    file: ConsentFile, row: RowFile, said: Fields, trusts: Sequence[Believed]
) -> Steps[None]:
    """Check the state of the consent at a later block of the same chain."""
    account, consent_id = said.get("account"), said.get("consent_id")
    if not isinstance(account, str) or not isinstance(consent_id, bytes):
        raise Malformed
    if row.chain != file.receipt.chain or row.index < file.receipt.proof.index:
        raise ProofError("the state shown is not from after this receipt")
    if row.key != CONSENTS.at(account, consent_id) or row.value is None:
        raise ProofError("the row shown is not that of this consent")
    yield from check_row(row, trusts)
    ended = decode(row.value, ConsentRow).ended
    if ended is None:
        yield Step(sentence="It had not been ended.")
    else:
        yield Step(sentence=f"It had been ended, at {moment(ended)}.")


def _describe(said: Fields) -> str:
    """What the patient said, as far as the ledger shows it."""
    until = said.get("valid_until")
    return (
        f"{said.get('account')} {_SAID[str(said['type'])]} {said.get('grantee') or 'anyone'}: "
        f"{_listed(said.get('actions'), 'any action')} of what {said.get('custodian')} holds, for "
        f"{_listed(said.get('purposes'), 'any purpose')}, from {day(said.get('valid_from'))} "
        + (f"until before {day(until)}." if until is not None else "until it is ended.")
    )


def _listed(values: object, otherwise: str) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) and values else otherwise
