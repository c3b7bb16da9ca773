"""What Ana's page shows, read through her wallet at every look."""

import asyncio
from datetime import UTC, datetime

import msgspec

from careledger.fhir.summary import summarise
from careledger.ledger.errors import LedgerError, ProofError
from careledger.ledger.record import Instant
from careledger.wallet.consents import standings
from careledger.wallet.names import Names
from careledger.wallet.own_record import OwnRecord, OwnResource, read
from careledger.wallet.story import who_looked
from careledger.wallet.wallet import Wallet
from careledger.web.source import LogSentence, PatientView, SourceState, TimelineEntry

_HIDDEN = {"Organization", "Practitioner", "PractitionerRole", "Location"}


class WalletSource:
    """Reads the record of whoever owns the wallet; one look at a time."""

    def __init__(self, wallet: Wallet, name: str) -> None:
        """Show the record of `name`, whose wallet this is."""
        self._wallet, self._name = wallet, name
        self._turn = asyncio.Lock()

    async def read(self) -> PatientView:
        """Everything, now; an organisation that does not answer is shown as such."""
        async with self._turn:
            await self._wallet.refresh()
            name_of = Names(self._wallet.view, {}).of
            timeline: list[TimelineEntry] = []
            sources: list[SourceState] = []
            notice = ""
            for held in self._wallet.contents.accounts:
                try:
                    record = await read(self._wallet, held.member)
                except ProofError:
                    sources.append(_silent(name_of(held.member)))
                    timeline.append(_tampered(name_of(held.member)))
                    continue
                except LedgerError:
                    sources.append(_silent(name_of(held.member)))
                    continue
                notice = record.notice
                source = name_of(record.custodian)
                sources.append(_source(record, source))
                timeline.extend(_entry(one, source) for one in record.resources)
            timeline = [one for one in timeline if one.kind not in _HIDDEN]
            await self._wallet.refresh()
            return PatientView(
                name=self._name,
                timeline=tuple(sorted(timeline, key=lambda one: one.date, reverse=True)),
                log=self._log(),
                sources=tuple(sources),
                consents=tuple(self._consents()),
                notice=notice,
            )

    def _log(self) -> tuple[LogSentence, ...]:
        lines = [
            LogSentence(when=when(line.at), text=line.sentence, granted=line.kind != "refusal")
            for line in who_looked(self._wallet)
        ]
        return tuple(reversed(lines))

    def _consents(self) -> list[str]:
        found = []
        name_of = Names(self._wallet.view, {}).of
        for one in standings(self._wallet):
            said = one.envelope
            ended = "" if said.ended is None else f"; ended {when(said.ended)}"
            label = one.held.label if one.held and one.held.label else ", ".join(said.purposes)
            whom = name_of(said.grantee) if said.grantee else "anyone"
            found.append(f"{said.kind} to {whom}: {label}{ended}")
        return found


def when(instant: Instant) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _source(record: OwnRecord, name: str) -> SourceState:
    return SourceState(organisation=name, as_of=when(record.as_of), entries=len(record.resources))


def _silent(name: str) -> SourceState:
    return SourceState(organisation=name, as_of="", entries=0)


def _tampered(name: str) -> TimelineEntry:
    return TimelineEntry(
        date="",
        kind="Record",
        title="what this organisation sent is not what it committed to",
        value="",
        source=name,
        verified=False,
    )


def _entry(resource: OwnResource, source: str) -> TimelineEntry:
    summary = summarise(resource.data)
    return TimelineEntry(
        date=summary.date,
        kind=summary.kind,
        title=summary.title,
        value=summary.value,
        source=source,
        verified=True,
        labels=labels(resource.data),
    )


class _Label(msgspec.Struct):
    code: str = ""


class _Meta(msgspec.Struct):
    security: list[_Label] = []


class _Labelled(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


def labels(data: bytes) -> tuple[str, ...]:
    """The security labels of a resource, as codes."""
    return tuple(one.code for one in msgspec.json.decode(data, type=_Labelled).meta.security)
