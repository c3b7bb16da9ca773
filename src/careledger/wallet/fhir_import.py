"""Importing a FHIR R4 Consent: each consent that it amounts to, given at a custodian."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from careledger.apps.governance.queries import members
from careledger.ledger.record import MemberId
from careledger.wallet.consents import give
from careledger.wallet.contents import HeldConsent
from careledger.wallet.errors import BadOption
from careledger.wallet.fhir_consent import Draft, read_consent
from careledger.wallet.fhir_provision import Directory, Party
from careledger.wallet.wallet import Wallet


@dataclass(frozen=True, kw_only=True)
class Importing:
    """What a FHIR Consent amounts to on this network, before anything is signed."""

    drafts: tuple[Draft, ...]

    @property
    def narrowed(self) -> tuple[str, ...]:
        """Elements that cannot be said here, so that less is allowed or more forbidden."""
        return tuple(sorted({element for one in self.drafts for element in one.narrowed}))


def read_file(
    wallet: Wallet,
    data: bytes,
    parties: Mapping[str, str],
    recipients: Sequence[str],
) -> Importing:
    """What the FHIR Consent in `data` amounts to.

    `parties` are FHIR references as members; `Organization/ID` of a member needs no entry.
    `recipients` are for whom a permission is meant that names nobody.

    Raises:
        BadOption: not JSON.
        UnreadableConsentError: what it says cannot be held here.
    """
    try:
        resource = msgspec.json.decode(data, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise BadOption("that file is not a FHIR Consent in JSON") from error
    known = {f"Organization/{one.id}": one.id for one in members(wallet.view)}
    directory = Directory(
        parties={
            reference: (Party(member=MemberId(member)),)
            for reference, member in (known | dict(parties)).items()
        },
        recipients=tuple(Party(member=MemberId(member)) for member in recipients),
    )
    return Importing(drafts=read_consent(resource, directory))


async def give_all(
    wallet: Wallet,
    importing: Importing,
    custodians: Sequence[MemberId],
    label: str,
    spread_s: float,
) -> list[HeldConsent]:
    """Give every draft at every custodian.

    Between two custodians a random while of at most `spread_s` passes: equal times on the ledger
    would join the patient's accounts.
    """
    given: list[HeldConsent] = []
    for number, custodian in enumerate(custodians):
        if number and spread_s > 0:
            await asyncio.sleep(secrets.randbelow(int(spread_s * 1_000) + 1) / 1_000)
        for one in importing.drafts:
            given.append(await give(wallet, custodian, one, label))  # noqa: PERF401 - it waits
    return given
