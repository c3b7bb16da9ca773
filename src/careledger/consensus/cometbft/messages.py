"""What CometBFT 0.38 and its application say to each other: the messages of ABCI 2.0.

Field numbers are facts of the protocol (package `tendermint.abci`); fields that we neither read nor
set are left out, and skipped when they come.
"""

from enum import IntEnum
from typing import Annotated

from careledger.consensus.cometbft.protobuf import Message


class Timestamp(Message):
    seconds: Annotated[int, 1] = 0
    nanos: Annotated[int, 2] = 0


class Duration(Message):
    seconds: Annotated[int, 1] = 0
    nanos: Annotated[int, 2] = 0


class BlockParams(Message):
    max_bytes: Annotated[int, 1] = 0
    max_gas: Annotated[int, 2] = 0


class EvidenceParams(Message):
    max_age_num_blocks: Annotated[int, 1] = 0
    max_age_duration: Annotated[Duration | None, 2] = None
    max_bytes: Annotated[int, 3] = 0


class ValidatorParams(Message):
    pub_key_types: Annotated[tuple[str, ...], 1] = ()


class VersionParams(Message):
    app: Annotated[int, 1] = 0


class ConsensusParams(Message):
    block: Annotated[BlockParams | None, 1] = None
    evidence: Annotated[EvidenceParams | None, 2] = None
    validator: Annotated[ValidatorParams | None, 3] = None
    version: Annotated[VersionParams | None, 4] = None


class PublicKey(Message):
    ed25519: Annotated[bytes, 1] = b""
    secp256k1: Annotated[bytes, 2] = b""


class ValidatorUpdate(Message):
    """A voter's new power; 0 removes it."""

    public: Annotated[PublicKey | None, 1] = None
    power: Annotated[int, 2] = 0


class Validator(Message):
    address: Annotated[bytes, 1] = b""
    power: Annotated[int, 3] = 0


class VoteInfo(Message):
    validator: Annotated[Validator | None, 1] = None
    block_id_flag: Annotated[int, 3] = 0
    """1 absent, 2 for the block, 3 for none."""


class CommitInfo(Message):
    """Who decided the block before."""

    round: Annotated[int, 1] = 0
    votes: Annotated[tuple[VoteInfo, ...], 2] = ()


class Misbehavior(Message):
    """Evidence, as the engine checked it."""

    type: Annotated[int, 1] = 0
    validator: Annotated[Validator | None, 2] = None
    height: Annotated[int, 3] = 0
    time: Annotated[Timestamp | None, 4] = None


class Snapshot(Message):
    """A state that others may begin from."""

    height: Annotated[int, 1] = 0
    format: Annotated[int, 2] = 0
    chunks: Annotated[int, 3] = 0
    hash: Annotated[bytes, 4] = b""
    metadata: Annotated[bytes, 5] = b""


# --- requests ----------------------------------------------------------------------------------


class RequestEcho(Message):
    message: Annotated[str, 1] = ""


class RequestFlush(Message):
    pass


class RequestInfo(Message):
    version: Annotated[str, 1] = ""
    block_version: Annotated[int, 2] = 0
    p2p_version: Annotated[int, 3] = 0
    abci_version: Annotated[str, 4] = ""


class RequestInitChain(Message):
    time: Annotated[Timestamp | None, 1] = None
    chain_id: Annotated[str, 2] = ""
    consensus_params: Annotated[ConsensusParams | None, 3] = None
    validators: Annotated[tuple[ValidatorUpdate, ...], 4] = ()
    app_state_bytes: Annotated[bytes, 5] = b""
    initial_height: Annotated[int, 6] = 0


class RequestQuery(Message):
    data: Annotated[bytes, 1] = b""
    path: Annotated[str, 2] = ""
    height: Annotated[int, 3] = 0
    prove: Annotated[bool, 4] = False


class RequestCheckTx(Message):
    tx: Annotated[bytes, 1] = b""
    type: Annotated[int, 2] = 0
    """0 for a new one, 1 for one that is checked again after a block."""


class RequestCommit(Message):
    pass


class RequestListSnapshots(Message):
    pass


class RequestOfferSnapshot(Message):
    snapshot: Annotated[Snapshot | None, 1] = None
    app_hash: Annotated[bytes, 2] = b""


class RequestLoadSnapshotChunk(Message):
    height: Annotated[int, 1] = 0
    format: Annotated[int, 2] = 0
    chunk: Annotated[int, 3] = 0


class RequestApplySnapshotChunk(Message):
    index: Annotated[int, 1] = 0
    chunk: Annotated[bytes, 2] = b""
    sender: Annotated[str, 3] = ""


class RequestPrepareProposal(Message):
    max_tx_bytes: Annotated[int, 1] = 0
    txs: Annotated[tuple[bytes, ...], 2] = ()
    misbehavior: Annotated[tuple[Misbehavior, ...], 4] = ()
    height: Annotated[int, 5] = 0
    time: Annotated[Timestamp | None, 6] = None


class RequestProcessProposal(Message):
    txs: Annotated[tuple[bytes, ...], 1] = ()
    misbehavior: Annotated[tuple[Misbehavior, ...], 3] = ()
    hash: Annotated[bytes, 4] = b""
    height: Annotated[int, 5] = 0
    time: Annotated[Timestamp | None, 6] = None


class RequestExtendVote(Message):
    hash: Annotated[bytes, 1] = b""
    height: Annotated[int, 2] = 0


class RequestVerifyVoteExtension(Message):
    hash: Annotated[bytes, 1] = b""
    height: Annotated[int, 3] = 0
    vote_extension: Annotated[bytes, 4] = b""


class RequestFinalizeBlock(Message):
    txs: Annotated[tuple[bytes, ...], 1] = ()
    decided_last_commit: Annotated[CommitInfo | None, 2] = None
    misbehavior: Annotated[tuple[Misbehavior, ...], 3] = ()
    hash: Annotated[bytes, 4] = b""
    height: Annotated[int, 5] = 0
    time: Annotated[Timestamp | None, 6] = None
    next_validators_hash: Annotated[bytes, 7] = b""


# --- responses ---------------------------------------------------------------------------------


class ResponseException(Message):
    """The application cannot go on; the engine ends when it reads this."""

    error: Annotated[str, 1] = ""


class ResponseEcho(Message):
    message: Annotated[str, 1] = ""


class ResponseFlush(Message):
    pass


class ResponseInfo(Message):
    data: Annotated[str, 1] = ""
    version: Annotated[str, 2] = ""
    app_version: Annotated[int, 3] = 0
    last_block_height: Annotated[int, 4] = 0
    last_block_app_hash: Annotated[bytes, 5] = b""


class ResponseInitChain(Message):
    consensus_params: Annotated[ConsensusParams | None, 1] = None
    validators: Annotated[tuple[ValidatorUpdate, ...], 2] = ()
    app_hash: Annotated[bytes, 3] = b""


class ResponseQuery(Message):
    code: Annotated[int, 1] = 0
    log: Annotated[str, 3] = ""
    value: Annotated[bytes, 7] = b""
    height: Annotated[int, 9] = 0


class ResponseCheckTx(Message):
    code: Annotated[int, 1] = 0
    log: Annotated[str, 3] = ""


class ResponseCommit(Message):
    retain_height: Annotated[int, 3] = 0


class ResponseListSnapshots(Message):
    snapshots: Annotated[tuple[Snapshot, ...], 1] = ()


class Offer(IntEnum):
    """What becomes of an offered snapshot."""

    ACCEPT = 1
    ABORT = 2
    REJECT = 3
    REJECT_FORMAT = 4
    REJECT_SENDER = 5


class ResponseOfferSnapshot(Message):
    result: Annotated[Offer, 1] = Offer.REJECT


class ResponseLoadSnapshotChunk(Message):
    chunk: Annotated[bytes, 1] = b""


class Apply(IntEnum):
    """What became of a chunk."""

    ACCEPT = 1
    ABORT = 2
    RETRY = 3
    RETRY_SNAPSHOT = 4
    REJECT_SNAPSHOT = 5


class ResponseApplySnapshotChunk(Message):
    result: Annotated[Apply, 1] = Apply.ABORT
    refetch_chunks: Annotated[tuple[int, ...], 2] = ()
    reject_senders: Annotated[tuple[str, ...], 3] = ()


class ResponsePrepareProposal(Message):
    txs: Annotated[tuple[bytes, ...], 1] = ()


class Vote(IntEnum):
    """Yes or no to a proposal, or to another's vote extension."""

    ACCEPT = 1
    REJECT = 2


class ResponseProcessProposal(Message):
    status: Annotated[Vote, 1] = Vote.REJECT


class ResponseExtendVote(Message):
    vote_extension: Annotated[bytes, 1] = b""


class ResponseVerifyVoteExtension(Message):
    status: Annotated[Vote, 1] = Vote.REJECT


class ExecTxResult(Message):
    code: Annotated[int, 1] = 0


class ResponseFinalizeBlock(Message):
    tx_results: Annotated[tuple[ExecTxResult, ...], 2] = ()
    validator_updates: Annotated[tuple[ValidatorUpdate, ...], 3] = ()
    app_hash: Annotated[bytes, 5] = b""
