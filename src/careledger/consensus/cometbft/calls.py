"""Which function answers which call."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.application import Application
from careledger.consensus.cometbft.protobuf import BadMessage, Message


def answer_each(application: Application, requests: Sequence[Message]) -> Iterator[Message]:
    """One answer after the other; checks that stand side by side are made by one committed state.

    Raises:
        LedgerError: the node cannot go on, and says why.
    """
    for is_check, group in groupby(requests, lambda one: isinstance(one, m.RequestCheckTx)):
        if is_check:
            yield from application.check_each(group)  # type: ignore[arg-type] # as just asked
        else:
            for request in group:
                yield answer(application, request)


def answer(application: Application, request: Message) -> Message:  # noqa: C901, PLR0911, PLR0912 - one a call
    """Whichever call it is.

    Raises:
        LedgerError: the node cannot go on, and says why.
    """
    match request:
        case m.RequestEcho():
            return m.ResponseEcho(message=request.message)
        case m.RequestFlush():
            return m.ResponseFlush()
        case m.RequestInfo():
            return application.info(request)
        case m.RequestInitChain():
            return application.init_chain(request)
        case m.RequestQuery():
            return application.query(request)
        case m.RequestCheckTx():
            [checked] = application.check_each([request])
            return checked
        case m.RequestPrepareProposal():
            return application.prepare_proposal(request)
        case m.RequestProcessProposal():
            return application.process_proposal(request)
        case m.RequestExtendVote():
            return application.extend_vote(request)
        case m.RequestVerifyVoteExtension():
            return application.verify_vote_extension(request)
        case m.RequestFinalizeBlock():
            return application.finalize_block(request)
        case m.RequestCommit():
            return application.commit(request)
        case m.RequestListSnapshots():
            return application.snapshots.list_snapshots(request)
        case m.RequestOfferSnapshot():
            return application.snapshots.offer_snapshot(request)
        case m.RequestLoadSnapshotChunk():
            return application.snapshots.load_snapshot_chunk(request)
        case m.RequestApplySnapshotChunk():
            return application.snapshots.apply_snapshot_chunk(request)
        case _:
            raise BadMessage("not a call", type(request).__name__)
