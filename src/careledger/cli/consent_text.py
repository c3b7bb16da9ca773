"""Consents in words: as a table, line by line, and as values for programs."""

from collections.abc import Iterator, Sequence

import msgspec

from careledger.apps import pages
from careledger.display import show
from careledger.ledger.record import decode_trusted
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.terms import Provision, Terms
from careledger.wallet import names as say
from careledger.wallet.consents import Standing
from careledger.wallet.fhir_consent import Draft
from careledger.wallet.names import Names
from careledger.wallet.options import LABELS
from careledger.wallet.wallet import Wallet


def table(wallet: Wallet, standings: Sequence[Standing]) -> list[dict[str, str]]:
    """A row each."""
    names = Names(wallet.view, {})
    return [
        {
            "Consent": one.consent_id.hex()[:8],
            "": "allows" if one.envelope.kind == "grant" else "forbids",
            "Whom": _whom(names, one.envelope),
            "Held by": names.of(one.envelope.custodian),
            "For": say.purposes(one.envelope.purposes),
            "Until": _until(one.envelope.valid_until),
            "Now": _now(one),
            "Your words": "" if one.held is None else one.held.label,
        }
        for one in standings
    ]


def values(one: Standing) -> dict[str, object]:
    """One consent for programs."""
    envelope: dict[str, object] = msgspec.structs.asdict(one.envelope)
    envelope["terms"] = None if one.envelope.terms is None else one.envelope.terms.hex()
    deliveries = () if one.held is None else one.held.deliveries
    return {
        "consent": one.consent_id.hex(),
        "account": one.account.account,
        **envelope,
        "label": "" if one.held is None else one.held.label,
        "deliveries": {delivery.member: delivery.standing for delivery in deliveries},
    }


def describe(wallet: Wallet, one: Standing) -> list[str]:
    """One consent, line by line."""
    names, envelope = Names(wallet.view, {}), one.envelope
    verb = "allows" if envelope.kind == "grant" else "forbids"
    lines = [
        f"Consent {one.consent_id.hex()}{' on paper' if envelope.form == 'paper' else ''}",
        f"  {verb} {_whom(names, envelope)}",
        f"  to {say.actions(envelope.actions)} records held by {names.of(envelope.custodian)}",
        f"  for {say.purposes(envelope.purposes)}",
        f"  from {_day(envelope.valid_from)} until {_until(envelope.valid_until)}",
        f"  now: {_now(one)}",
    ]
    held = one.held
    if held is None:
        return lines if envelope.terms is None else [*lines, "  its terms are not in this wallet"]
    if held.label:
        lines.insert(1, f"  “{held.label}”")
    if held.package.terms is None:
        lines.append("  the whole record")
    else:
        lines += _terms(decode_trusted(held.package.terms, Terms))
    for delivery in held.deliveries:
        trouble = f": {delivery.trouble}" if delivery.trouble else ""
        lines.append(f"  {names.of(delivery.member)}: {delivery.standing}{trouble}")
    return lines


def describe_draft(wallet: Wallet, draft: Draft) -> list[str]:
    """What is about to be signed."""
    names = Names(wallet.view, {})
    party = draft.party
    whom = "anyone" if party is None else names.asker(party.member, party.practitioner, party.role)
    verb = "Allow" if draft.kind == "grant" else "Forbid"
    line = (
        f"{verb} {whom} to {say.actions(draft.actions)} for {say.purposes(draft.purposes)}, "
        f"from {_day(draft.valid_from)} until {_until(draft.valid_until)}:"
    )
    return [line, *(["  the whole record"] if draft.terms is None else _terms(draft.terms))]


def _whom(names: Names, envelope: Envelope) -> str:
    if envelope.grantee is None:
        return "anyone"
    return names.asker(envelope.grantee, envelope.practitioner, envelope.role)


def _now(one: Standing) -> str:
    if one.envelope.ended is not None:
        return f"ended {show(pages()['consent'], 'ended', one.envelope.ended)}"
    if one.held is None or one.held.is_delivered():
        return "in force"
    missing = [each.member for each in one.held.deliveries if each.standing != "delivered"]
    return f"waiting for {', '.join(missing)}"


def _day(day: int) -> str:
    return show(pages()["consent"], "valid_from", day)


def _until(day: int | None) -> str:
    return "you end it" if day is None else _day(day)


def _terms(terms: Terms) -> list[str]:
    lines = [f"  {part}" for part in _provision(terms.base)]
    for exception in terms.exceptions:
        word = "and also" if exception.effect == terms.base.effect else "but not"
        lines += [f"  {word} {part}" for part in _provision(exception)]
    return lines


def _provision(provision: Provision) -> Iterator[str]:
    """One rule in words."""
    by_code = {code: word for word, code in LABELS.items()}
    parts = [", ".join(provision.types) or "everything"]
    for word, found in (("of category", provision.categories), ("with code", provision.codes)):
        if found:
            parts.append(f"{word} {', '.join(found)}")
    if provision.labels:
        words = (by_code.get(label, label) for label in provision.labels)
        parts.append(f"labelled {', '.join(words)}")
    if provision.period is not None:
        start, end = provision.period.start, provision.period.end
        parts += [] if start is None else [f"from {_day(start // 86_400)}"]
        parts += [] if end is None else [f"before {_day(end // 86_400)}"]
    if provision.links:
        parts.append(f"tied to {', '.join(link.reference for link in provision.links)}")
    yield " ".join(parts)
