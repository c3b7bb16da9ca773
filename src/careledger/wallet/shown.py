"""A timeline in words: what each entry is, who keeps it, and what its mark means."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from careledger.fhir.dates import EARLIEST, LATEST
from careledger.fhir.summary import Summary, kind_of, summarise
from careledger.ledger.state import View
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.wallet.names import Names
from careledger.wallet.timeline import Entry, Mark, Source, Trouble, Why

_WHY: Final[dict[Why, str]] = {
    "altered": "It was changed after {source} committed to it. Do not rely on it.",
    "spoilt": "{source} cannot open it any more: what is stored there has been changed.",
    "no-commitment": "The ledger has no commitment to it.",
    "other-account": "{source} committed to it under another account than yours.",
    "disclosure": "{source} told the ledger of another answer than the one it gave.",
}
_TROUBLE: Final[dict[Trouble, str]] = {
    "timeout": "did not answer in time",
    "unreachable": "could not be reached",
    "refused": "refused your request",
    "not-verified": "sent something that cannot be verified; none of it is shown",
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One entry for people."""

    date: str
    """As its source wrote it; "" if it has none."""
    kind: str
    title: str
    value: str
    source: str
    mark: Mark
    why: str
    """What is wrong with it; "" where nothing is."""
    labels: tuple[str, ...]


def shown(entries: Iterable[Entry], view: View) -> list[Shown]:
    """What patients care to see, the latest first; staff, places and organisations are left out."""
    names = Names(view, {})
    told = [_shown(one, names) for one in entries if one.type not in DIRECTORY_TYPES]
    return sorted(told, key=lambda one: one.date, reverse=True)


def owner_of(entries: Iterable[Entry]) -> str:
    """The patient's own name, as a source that verifies has it; "" if none has."""
    for one in entries:
        if one.type == "Patient" and one.mark == "verified":
            return summarise(one.data).title
    return ""


def trouble(source: Source) -> str:
    """Why there is nothing from an organisation."""
    return "" if source.trouble is None else _TROUBLE[source.trouble]


def _shown(entry: Entry, names: Names) -> Shown:
    source = names.of(entry.custodian)
    summary = _summary(entry)
    return Shown(
        date=summary.date,
        kind=summary.kind,
        title=summary.title,
        value=summary.value,
        source=source,
        mark=entry.mark,
        why="" if entry.why is None else _WHY[entry.why].format(source=source),
        labels=labels(entry.data),
    )


def _summary(entry: Entry) -> Summary:
    try:
        return summarise(entry.data)
    except (ValueError, msgspec.MsgspecError, RecursionError):  # lost, or no JSON any more
        return Summary(
            type=entry.type,
            id=entry.id,
            kind=kind_of(entry.type),
            date=_day(entry.start),
            title="",
            value="",
        )


def _day(start: int | None) -> str:
    if start is None or not EARLIEST < start < LATEST:
        return ""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start)).strftime("%Y-%m-%d")


class _Label(msgspec.Struct):
    code: str = ""


class _Meta(msgspec.Struct):
    security: list[_Label] = []


class _Labelled(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


def labels(data: bytes) -> tuple[str, ...]:
    """The security labels of a resource, as codes."""
    try:
        return tuple(one.code for one in msgspec.json.decode(data, type=_Labelled).meta.security)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
