"""The requester's side of break-glass without the ledger: check the entry, keep it, acknowledge it.

The entry is the only trace until the custodian records it, so it is kept: if it is never recorded,
whoever holds it can show that.
"""

from collections.abc import Sequence

from careledger.exchange.acknowledge import Acknowledgements, Due
from careledger.exchange.errors import NotVerified
from careledger.exchange.organisation import Organisation
from careledger.exchange.remote_records import RemoteRecords
from careledger.exchange.verification import VerifiedResource
from careledger.exchange.ways import Way
from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.record import Digest, MemberId
from careledger.ledger.statement import SKEW_S, parse_statement
from careledger.mechanisms.emergency import CONTENT_TYPE as EMERGENCY
from careledger.mechanisms.messages import ReleasedOffline, manifest
from careledger.mechanisms.offline import OfflineEntry, read_offline

Found = tuple[Sequence[VerifiedResource], Sequence[Digest]]
"""Resources that were checked, and their commitments, in the order in which they came."""


class OfflineReceiver:
    """Accepts for one receiver."""

    def __init__(self, organisation: Organisation, acknowledgements: Acknowledgements) -> None:
        """Check by the ledger that `organisation` has, however old."""
        self._organisation, self._acknowledgements = organisation, acknowledgements

    def accept(
        self, said: ReleasedOffline, way: Way, request: bytes, found: Found
    ) -> RemoteRecords:
        """What was released, if the custodian's entry is about exactly that.

        Raises:
            NotVerified: it is not; none of it is returned.
        """
        resources, commitments = found
        entry = self._entry(said)
        released = manifest(said.salt, request, list(commitments))
        clock = self._organisation.clock()
        fits = (
            entry.custodian == said.custodian
            and entry.account == way.account
            and entry.request == request
            and entry.emergency == parse_statement(way.emergency or b"", EMERGENCY).id
            and entry.manifest == released
            and abs(entry.at - clock) <= SKEW_S
        )
        if not fits:
            raise NotVerified("the custodian's entry is about something else")
        self._acknowledgements.owe(
            Due(
                custodian=entry.custodian,
                number=entry.number,
                manifest=released,
                entry=said.entry,
            )
        )
        return RemoteRecords(
            custodian=MemberId(entry.custodian),
            resources=tuple(resources),
            notice=said.notice,
            as_of=said.as_of,
            basis="break-glass",
            number=entry.number,
            recorded=False,
        )

    def _entry(self, said: ReleasedOffline) -> OfflineEntry:
        mine = self._organisation
        try:
            with mine.last() as last:
                return read_offline(said.entry, last.view, mine.chain)[1]
        except (Malformed, UnknownSigner) as error:
            raise NotVerified("the custodian did not sign for what it released") from error
