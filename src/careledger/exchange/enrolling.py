"""Enrolling patients who arrive with their records: accounts that wait to be claimed.

The first claim key is thrown away: the desk gives a code by asking for another, after proofing.
Whoever arrives while others are being enrolled goes with the next transaction, one for all of them.
"""

import asyncio
import base64
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from careledger.apps.identity.commands import EnrolAccount, PatientHolder
from careledger.exchange.organisation import Organisation
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId
from careledger.ledger.signature import SigningKey

CLAIM_S: Final = 179 * 86_400
"""How long an account waits to be claimed before the desk has to ask again."""

AT_ONCE: Final = 50
"""Enrolments in one transaction."""


class Enroller:
    """Gives patients who are new here an account, each only one, however many bring them."""

    def __init__(self, organisation: Organisation) -> None:
        """Enrol in the name of `organisation`."""
        self._organisation = organisation
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._underway: dict[str, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def enrol(self, locals_: Iterable[str]) -> None:
        """Return once each local patient has an account on the ledger, and a key in the vault.

        Raises:
            CommandRefused: the rules said no.
            Unavailable: nothing is known to have happened; again, they get other accounts.
        """
        asked = list(dict.fromkeys(locals_))
        unknown = await asyncio.to_thread(self._unknown, asked) if asked else []
        answers = [self._answer(local) for local in unknown]
        if answers and self._task is None:
            self._task = asyncio.create_task(self._enrol_all())
        for answer in answers:
            await asyncio.shield(answer)

    def _unknown(self, locals_: Sequence[str]) -> list[str]:
        vault = self._organisation.vault
        return [local for local in locals_ if vault.patient(local) is None]

    def _answer(self, local: str) -> asyncio.Future[None]:
        known = self._underway.get(local) or self._waiting.get(local)
        if known is None:
            known = self._waiting[local] = asyncio.get_running_loop().create_future()
            known.add_done_callback(lambda done: done.cancelled() or done.exception())
        return known

    async def _enrol_all(self) -> None:
        try:
            while self._waiting:
                some = list(self._waiting)[:AT_ONCE]
                self._underway = {local: self._waiting.pop(local) for local in some}
                await self._enrol_some()
        finally:
            self._task = None

    async def _enrol_some(self) -> None:
        try:
            # Somebody may have become known since: those who asked before the last were done.
            unknown = await asyncio.to_thread(self._unknown, list(self._underway))
            if unknown:
                await enrol(self._organisation, unknown)
        except Exception as error:  # noqa: BLE001 - it is raised where each of them is waited for
            for answer in self._underway.values():
                answer.set_exception(error)
        else:
            for answer in self._underway.values():
                answer.set_result(None)
        finally:
            self._underway = {}


async def enrol(organisation: Organisation, locals_: Sequence[str]) -> None:
    """Give at most `AT_ONCE` local patients an account on the ledger, and a key in the vault.

    Raises:
        CommandRefused: the rules said no.
        Unavailable: nothing is known to have happened; doing it again enrols under new accounts.
    """
    people = [(local, new_account_id()) for local in locals_]
    commands = (_enrolment(organisation, account) for _, account in people)
    await organisation.submit("identity", *commands)
    await asyncio.to_thread(organisation.vault.register_all, people)


def new_account_id() -> AccountId:
    """A random account id."""
    text = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    return AccountId("@" + text)


def _enrolment(organisation: Organisation, account: AccountId) -> EnrolAccount:
    unused = SigningKey("EdDSA", secrets.token_bytes(32))
    return EnrolAccount(
        account=account,
        holder=PatientHolder(),
        ial=1,
        key=new_key(unused, "claim", account, organisation.chain),
        claim_until=organisation.clock() + CLAIM_S,
    )
