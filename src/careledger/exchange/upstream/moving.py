"""Moving bodies between the vault and the organisation's own FHIR server; nothing is lost.

Here: each body is compared with its commitment, and one that changed becomes a new version first.
There: each is read back, and what that server stored otherwise becomes a new version, while the one
before it stays here. Both go on where they were when they are called again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from careledger.exchange.bodies import Name
from careledger.exchange.organisation import Organisation
from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown
from careledger.exchange.upstream.fetching import AT_ONCE, fetch, older
from careledger.exchange.upstream.intake import Body, Intake
from careledger.exchange.upstream.sweeping import entries
from careledger.fhir.canonical import canonical
from careledger.fhir.errors import FhirError
from careledger.vault import bodies as vault_bodies
from careledger.vault.deposit import Arrival
from careledger.vault.errors import WrongBody
from careledger.vault.objects import DIRECTORY

_STAMPS = frozenset(("versionId", "lastUpdated"))


@dataclass(slots=True)
class Moved:
    """What became of the newest versions. Mutable: it adds up."""

    moved: int = 0
    changed: int = 0
    """Of those, how many were not as committed, or were stored otherwise: new versions."""
    older: int = 0
    """Versions before the newest that came along."""
    absent: int = 0
    """Not there any more: deleted here too."""
    taken: int = 0
    """There is another resource of that name there, which was left alone: still here."""
    refused: int = 0
    """That server does not take it: still here."""


Progress = Callable[[Moved], None]


class Move:
    """Moves the bodies of one organisation, while nothing else changes them."""

    def __init__(self, organisation: Organisation, client: UpstreamClient, intake: Intake) -> None:
        """Between the organisation's vault and the server behind `client`."""
        self._organisation, self._vault = organisation, organisation.vault
        self._client, self._intake = client, intake

    async def here(self, progress: Progress = lambda _: None) -> Moved:
        """Bring every body that is there into the vault.

        Raises:
            UpstreamDown, UpstreamLies: what was moved stays moved.
        """
        moved = Moved()
        for found in entries(self._organisation, lambda entry: entry.elsewhere):
            names = [(one.type, one.id) for one in found]
            for start in range(0, len(names), AT_ONCE):
                await asyncio.to_thread(self._bring, names[start : start + AT_ONCE], moved)
                progress(moved)
        return moved

    async def there(self, progress: Progress = lambda _: None) -> Moved:
        """Put every body that is here into that server, and keep its facts and commitment.

        Raises:
            UpstreamDown, UpstreamLies: what was moved stays moved.
        """
        moved = Moved()
        locals_ = [local for local, _ in self._vault.patients()]
        for patient in (None, *map(self._vault.patient, locals_)):
            held = self._vault.bodies_to_send(patient)
            held.sort(key=lambda body: body.type != "Patient")
            for start in range(0, len(held), AT_ONCE):
                await asyncio.to_thread(self._send, held[start : start + AT_ONCE], moved)
                progress(moved)
        return moved

    # --- here ----------------------------------------------------------------------------------

    def _bring(self, names: Sequence[Name], moved: Moved) -> None:
        found = self._fetched(names)
        moved.absent += self._intake.gone(
            [name for name, raw in found.items() if raw is None]
        ).deleted
        for raw in found.values():
            if raw is None:
                continue
            body = self._intake.read(raw)
            tally = self._intake.put([body])
            if tally.moved or tally.left_out:
                moved.absent += 1
                continue
            moved.changed += tally.changed
            moved.moved += 1
            self._take_in(body, moved)

    def _take_in(self, body: Body, moved: Moved) -> None:
        """The newest version, those before it as far as there is a history, and its `meta`."""
        type_, id_ = body.name
        standing = self._vault.standing(type_, id_, body.committed, body.is_known)
        if standing is None:
            return
        for version in range(1, standing.version):
            moved.older += self._older(body.name, version)
        self._vault.bring_here([vault_bodies.Body(type_, id_, standing.version, body.committed)])
        if _says_more(body.raw):  # what the commitment leaves out must come along as well
            patient = None if standing.patient == DIRECTORY else standing.patient
            whole = Arrival(patient, type_, id_, body.raw, body.facts, standing.version)
            self._vault.put([whole], self._organisation.clock())

    def _older(self, name: Name, version: int) -> int:
        for raw in older(self._client, name):
            try:
                data = canonical(raw)
                return self._vault.bring_here([vault_bodies.Body(*name, version, data)])
            except (WrongBody, FhirError):
                continue
        return 0

    # --- there ---------------------------------------------------------------------------------

    def _send(self, held: Sequence[vault_bodies.Body], moved: Moved) -> None:
        there = self._fetched([(one.type, one.id) for one in held])
        free = [one for one in held if self._is_free(one, there[one.type, one.id])]
        moved.taken += len(held) - len(free)
        self._put_all([one for one in free if there[one.type, one.id] is None])
        stored = self._fetched([(one.type, one.id) for one in free])
        for one in free:
            raw = stored[one.type, one.id]
            if raw is None:
                moved.refused += 1
                continue
            tally = self._intake.put([self._intake.read(raw)])
            moved.changed += tally.changed
            moved.moved += 1
            if tally.same:
                self._vault.send_away([one])

    def _is_free(self, one: vault_bodies.Body, raw: bytes | None) -> bool:
        return raw is None or canonical(raw) == canonical(one.data)

    def _put_all(self, bodies: Sequence[vault_bodies.Body]) -> None:
        """In one transaction, since they refer to each other; else each that is taken alone."""
        if not bodies:
            return
        entries_ = [
            {
                "fullUrl": f"{self._client.base}/{one.type}/{one.id}",
                "resource": msgspec.Raw(one.data),
                "request": {"method": "PUT", "url": f"{one.type}/{one.id}"},
            }
            for one in bodies
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries_}
        if self._client.send("POST", "", body=msgspec.json.encode(bundle)).ok:
            return
        left = list(bodies)
        while left:  # those that refer to others of them, once those are there
            refused = [
                one
                for one in left
                if not self._client.send("PUT", f"{one.type}/{one.id}", body=one.data).ok
            ]
            if len(refused) == len(left):
                return
            left = refused

    def _fetched(self, names: Sequence[Name]) -> dict[Name, bytes | None]:
        found = fetch(self._client, names)
        if len(found) != len(set(names)):
            raise UpstreamDown("the organisation's own FHIR server does not answer")
        return found


def _says_more(raw: bytes) -> bool:
    """Whether `meta` has more than the stamps that every server gives anew."""
    meta = msgspec.json.decode(raw).get("meta") or {}
    return bool(set(meta) - _STAMPS)
