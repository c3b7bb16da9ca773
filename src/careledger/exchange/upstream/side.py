"""All that one gateway has to do with the organisation's own FHIR server, put together."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from careledger.exchange.organisation import Organisation
from careledger.exchange.upstream.bodies import UpstreamBodies
from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.deposit import UpstreamDeposit
from careledger.exchange.upstream.intake import Intake
from careledger.exchange.upstream.settings import Upstream
from careledger.exchange.upstream.sync import Sync
from careledger.ledger.errors import LedgerError

POSITION_FILE: Final = "upstream.json"
PATIENT_S: Final = 60.0
"""How long that server may take while nobody waits for it."""

AGAIN_S: Final = 5.0
"""How long after a failure it is tried again."""

_log = logging.getLogger(__name__)


class UpstreamSide:
    """Owns the connections until `close`; one task runs `follow`."""

    def __init__(
        self,
        organisation: Organisation,
        folder: Path,
        upstream: Upstream,
        wake: Callable[[], None],
    ) -> None:
        """Stand before `upstream`; `wake`, from any thread, says that there is more to commit."""
        self.settings = upstream
        self.client = UpstreamClient(upstream)
        self.intake = Intake(organisation, wake)
        self.bodies = UpstreamBodies(organisation, self.client, self.intake)
        self.deposit = UpstreamDeposit(organisation, self.client, self.intake)
        self._patient = UpstreamClient(replace(upstream, timeout_s=PATIENT_S))
        self.sync = Sync(organisation, self._patient, self.intake, folder / POSITION_FILE)

    async def follow(self) -> None:
        """Read all that server has, and then what changes, for ever."""
        while True:
            try:
                tally = await self.sync.look()
            except LedgerError as error:
                _log.warning("the organisation's own FHIR server: %s", error)
                await asyncio.sleep(AGAIN_S)
                continue
            if tally.left_out:
                _log.info("left out: %d resources of no patient here", tally.left_out)
            await asyncio.sleep(self.settings.poll_s)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self._patient.close()
