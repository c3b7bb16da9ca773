"""Writes that come through our doors: first they go to the organisation's own FHIR server.

Only what that server has taken is taken into the index, as it says that it stored it. If it says
no, or nothing, nothing is stored here; what it took without our hearing of it, the next look finds.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from re import compile as regex
from typing import Final

import msgspec

from careledger.exchange.bodies import Name
from careledger.exchange.organisation import Organisation
from careledger.exchange.upstream.client import Answer, UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.upstream.fetching import fetch
from careledger.exchange.upstream.intake import Intake
from careledger.fhir.errors import FhirError
from careledger.ledger.record import Instant
from careledger.vault.deposit import Arrival, Stored
from careledger.vault.errors import VersionConflict

_CONFLICTS: Final = frozenset((409, 412))
_ID: Final = regex(r"[A-Za-z0-9\-.]{1,64}")
_ABSENT: Final = frozenset((404, 410))


class RefusedUpstream(FhirError):
    """The organisation's own FHIR server does not take it."""

    code = "business-rule"
    status = 422


class _Meta(msgspec.Struct, frozen=True):
    versionId: str | None = None  # noqa: N815 - FHIR's name


class _Versioned(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


class UpstreamDeposit:
    """Puts like a vault, through the organisation's own FHIR server."""

    def __init__(self, organisation: Organisation, client: UpstreamClient, intake: Intake) -> None:
        """Send by `client`; what had changed there before goes to `intake`."""
        self._vault, self._client, self._intake = organisation.vault, client, intake

    def put(self, arrivals: Sequence[Arrival], at: Instant) -> list[Stored]:
        """All of it is there, and in the index, or nothing is; see `Vault.put`.

        Raises:
            VersionConflict: it is not at the version that was expected, here or there.
            RefusedUpstream: that server does not take it.
            UpstreamDown: it did not answer; whether it took it shows in the next look.
        UpstreamLies: what it has is not in the shape of R4.
        """
        if not arrivals:
            return []
        with self._intake.alone():
            tags = self._current(arrivals)
            if len(arrivals) == 1:
                self._send_one(arrivals[0], tags)
            else:
                self._send_all(arrivals, tags)
            return self._vault.put(self._read_back(arrivals), at)

    def _current(self, arrivals: Sequence[Arrival]) -> dict[Name, str | None]:
        """The entity tags of what is there already, after checking that the index knows it."""
        names = [(one.type, one.id) for one in arrivals]
        found = fetch(self._client, list(dict.fromkeys(names)))
        tags: dict[Name, str | None] = {}
        for arrival, name in zip(arrivals, names, strict=True):
            if name not in found:
                raise UpstreamDown("the organisation's own FHIR server does not answer")
            raw = found[name]
            if raw is not None:
                self._follow(raw)
                tags[name] = _tag(raw)
            self._check_version(arrival)
        return tags

    def _follow(self, raw: bytes) -> None:
        """What has changed there meanwhile counts as the newest version, before this one."""
        with suppress(FhirError):
            self._intake.put([self._intake.read(raw)])

    def _check_version(self, arrival: Arrival) -> None:
        """Before anything is sent: the version that is expected is the newest, there as here."""
        if arrival.if_version is None:
            return
        standing = self._vault.standing(arrival.type, arrival.id, b"", lambda _: False)
        newest = 0 if standing is None else standing.version
        if newest != arrival.if_version:
            raise VersionConflict(expected=arrival.if_version, actual=newest)

    def _send_one(self, arrival: Arrival, tags: dict[Name, str | None]) -> None:
        name = arrival.type, arrival.id
        tag = tags.get(name)
        answer = self._client.send(
            "DELETE" if arrival.deleted else "PUT",
            "/".join(name),
            body=None if arrival.deleted else arrival.data,
            headers={"if-match": tag} if tag else {},
        )
        if not (arrival.deleted and answer.status in _ABSENT):
            _check(answer, arrival)

    def _send_all(self, arrivals: Sequence[Arrival], tags: dict[Name, str | None]) -> None:
        """As one transaction (FHIR R4 3.1.0.11.2): all or none."""
        entries = []
        for one in arrivals:
            name = one.type, one.id
            verb = "DELETE" if one.deleted else "PUT"
            request = {"method": verb, "url": "/".join(name)}
            if tags.get(name):
                request["ifMatch"] = str(tags[name])
            entry: dict[str, object] = {"request": request}
            if not one.deleted:
                entry |= {"fullUrl": f"{self._client.base}/{'/'.join(name)}"}
                entry |= {"resource": msgspec.Raw(one.data)}
            entries.append(entry)
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        _check(self._client.send("POST", "", body=msgspec.json.encode(bundle)), arrivals[0])

    def _read_back(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """The same, as that server stored it: facts and commitments are of that."""
        names = [(one.type, one.id) for one in arrivals if not one.deleted]
        found = fetch(self._client, list(dict.fromkeys(names)))
        stored = []
        for one in arrivals:
            if one.deleted:
                stored.append(one)
                continue
            raw = found.get((one.type, one.id))
            if raw is None:
                raise UpstreamDown("the organisation's own FHIR server does not say what it stored")
            body = self._intake.read(raw)
            stored.append(replace(one, data=body.committed, facts=body.facts, elsewhere=True))
        return stored


def _tag(raw: bytes) -> str | None:
    """The entity tag of what that server has, if it says which version it is.

    Raises:
        UpstreamLies: the version is no id, and could say anything in a header.
    """
    try:
        version = msgspec.json.decode(raw, type=_Versioned).meta.versionId
    except msgspec.ValidationError:
        raise UpstreamLies("a version that is no text") from None
    if version is not None and _ID.fullmatch(version) is None:
        raise UpstreamLies("a version that is no id")
    return None if version is None else f'W/"{version}"'


def _check(answer: Answer, arrival: Arrival) -> None:
    if answer.ok:
        return
    if answer.status in _CONFLICTS:
        raise VersionConflict(expected=arrival.if_version, actual=None)
    raise RefusedUpstream(f"what the organisation's own FHIR server takes ({answer.status})")
