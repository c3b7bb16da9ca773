"""Bodies that stay in the organisation's own FHIR server: fetched when they may be released.

Each is compared with what was committed to. One that differs is not tampered with: it has changed
since. Then the index follows, and whoever asked looks and decides anew, by what it says now.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from careledger.exchange.bodies import Brought, Name
from careledger.exchange.organisation import Organisation
from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.upstream.fetching import fetch, older
from careledger.exchange.upstream.intake import Body, Intake
from careledger.fhir.canonical import canonical
from careledger.fhir.errors import FhirError
from careledger.vault.opening import Opened


class UpstreamBodies:
    """See `Bodies`. What the vault still holds comes from there."""

    def __init__(self, organisation: Organisation, client: UpstreamClient, intake: Intake) -> None:
        """Fetch by `client`; what has changed goes to `intake`."""
        self._vault, self._client, self._intake = organisation.vault, client, intake

    def bring(self, found: Sequence[Opened]) -> Brought:
        """See `Bodies.bring`."""
        away = list(dict.fromkeys((one.type, one.id) for one in found if _is_away(one)))
        bodies = fetch(self._client, away) if away else {}
        opened, changed, unanswered = list[Opened](), set[Name](), 0
        for one in found:
            name = one.type, one.id
            if not _is_away(one):
                opened.append(one)
            elif name not in bodies:
                unanswered += 1
            else:
                try:
                    whole = self._whole(one, bodies[name], changed)
                except UpstreamDown:
                    unanswered += 1
                    continue
                opened += [] if whole is None else [whole]
        return Brought(tuple(opened), frozenset(changed), unanswered)

    def _whole(self, one: Opened, raw: bytes | None, changed: set[Name]) -> Opened | None:
        """What was opened, with its bytes; None if it is not, or no longer, to be had."""
        name = one.type, one.id
        if raw is None:
            if self._intake.gone([name]).deleted:
                changed.add(name)
            return None
        body = self._read(raw)
        if self._vault.commitment_matches(one, body.committed) and body.is_known(one.facts):
            return replace(one, data=raw)
        if self._intake.put([body]).same:
            return self._older(one)
        changed.add(name)
        return None

    def _read(self, raw: bytes) -> Body:
        try:
            return self._intake.read(raw)
        except FhirError as error:
            raise UpstreamLies("what it has is no resource of R4") from error

    def _older(self, one: Opened) -> Opened | None:
        """A version before the newest, which only its history has."""
        for raw in older(self._client, (one.type, one.id)):
            try:
                if self._vault.commitment_matches(one, canonical(raw)):
                    return replace(one, data=raw)
            except FhirError:
                continue
        return None


def _is_away(opened: Opened) -> bool:
    return opened.elsewhere and not opened.data
