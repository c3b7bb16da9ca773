"""What the patient's pages show, read through her wallet at every look."""

import asyncio
from datetime import UTC, datetime

from careledger.ledger.record import Instant
from careledger.wallet.consents import standings
from careledger.wallet.names import Names
from careledger.wallet.shown import owner_of, shown, trouble
from careledger.wallet.story import who_looked
from careledger.wallet.timeline import WITHIN_S, Timeline, read_timeline
from careledger.wallet.wallet import Wallet
from careledger.wallet.why import why
from careledger.web.source import (
    AccessView,
    LogSentence,
    PatientView,
    SourceState,
    TimelineEntry,
)

NAMELESS = "Your health record"


class WalletSource:
    """Reads the record of whoever owns the wallet; one look at a time."""

    def __init__(self, wallet: Wallet, name: str = "", *, within_s: float = WITHIN_S) -> None:
        """Show the record of `name`, by default as it is in the record itself."""
        self._wallet, self._name, self._within_s = wallet, name, within_s
        self._turn = asyncio.Lock()

    async def read(self) -> PatientView:
        """Everything, now; an organisation that does not answer is shown as such."""
        async with self._turn:
            await self._wallet.refresh()
            timeline = await read_timeline(self._wallet, within_s=self._within_s)
            self._name = self._name or owner_of(timeline.entries)
            entries = shown(timeline.entries, self._wallet.view)
            return PatientView(
                name=self._name or NAMELESS,
                timeline=tuple(
                    TimelineEntry(
                        date=one.date,
                        kind=one.kind,
                        title=one.title,
                        value=one.value,
                        source=one.source,
                        mark=one.mark,
                        why=one.why,
                        labels=one.labels,
                    )
                    for one in entries
                ),
                log=self._log(),
                sources=self._sources(timeline),
                consents=self._consents(),
                notice=timeline.notice,
            )

    async def access(self) -> AccessView:
        """Who looked and what is allowed, without asking any organisation."""
        async with self._turn:
            await self._wallet.refresh()
            return AccessView(
                name=self._name or NAMELESS, log=self._log(), consents=self._consents()
            )

    def _sources(self, timeline: Timeline) -> tuple[SourceState, ...]:
        name_of = Names(self._wallet.view, {}).of
        return tuple(
            SourceState(
                organisation=name_of(one.member),
                as_of="" if one.as_of is None else when(one.as_of),
                entries=sum(entry.custodian == one.member for entry in timeline.entries),
                trouble=trouble(one),
            )
            for one in timeline.sources
        )

    def _log(self) -> tuple[LogSentence, ...]:
        lines = [
            LogSentence(
                when=when(line.at),
                text=line.sentence,
                granted=line.kind != "refusal",
                own=getattr(line.event, "receiver", "").startswith("@"),
                why=why(self._wallet, line),
            )
            for line in who_looked(self._wallet)
        ]
        return tuple(reversed(lines))

    def _consents(self) -> tuple[str, ...]:
        found = []
        name_of = Names(self._wallet.view, {}).of
        for one in standings(self._wallet):
            said = one.envelope
            ended = "" if said.ended is None else f"; ended {when(said.ended)}"
            label = one.held.label if one.held and one.held.label else ", ".join(said.purposes)
            whom = name_of(said.grantee) if said.grantee else "anyone"
            found.append(f"{said.kind} to {whom}: {label}{ended}")
        return tuple(found)


def when(instant: Instant) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
