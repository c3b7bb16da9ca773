"""Light blocks from the answers of CometBFT's RPC (`/commit` and `/validators`)."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from careledger.ledger.errors import Malformed
from careledger.ledger.tendermint import (
    BlockId,
    Commit,
    CommitVote,
    EngineHeader,
    EngineTime,
    Parts,
    Validator,
)
from careledger.verify.format import LightBlock

Answer = Mapping[str, Any]  # Any: what another program's JSON holds; checked as it is converted

_FOR_THIS_BLOCK = 2
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


def light_block(commit: Answer, validators: Answer) -> LightBlock:
    """One height's light block, from the results of both calls for it.

    Raises:
        Malformed: they are not such results.
    """
    try:
        signed = commit["signed_header"]
        block = LightBlock(
            header=_header(signed["header"]),
            commit=_commit(signed["commit"]),
            validators=tuple(_validator(one) for one in validators["validators"]),
        )
        # Building a record checks nothing; converting it does.
        return msgspec.convert(
            msgspec.to_builtins(block, builtin_types=(bytes,)), LightBlock, builtin_types=(bytes,)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed from error


def engine_time(text: str) -> EngineTime:
    """From RFC 3339 with up to nine decimals.

    Raises:
        ValueError: not such a time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    return EngineTime(seconds=int(whole.timestamp()), nanos=int((match[2] or "").ljust(9, "0")))


def _header(found: Answer) -> EngineHeader:
    hashes = {
        name: bytes.fromhex(found[name])
        for name in (
            "last_commit_hash",
            "data_hash",
            "validators_hash",
            "next_validators_hash",
            "consensus_hash",
            "app_hash",
            "last_results_hash",
            "evidence_hash",
        )
    }
    return EngineHeader(
        block_version=int(found["version"]["block"]),
        app_version=int(found["version"].get("app", 0)),
        chain=found["chain_id"],
        height=int(found["height"]),
        time=engine_time(found["time"]),
        last_block=_block_id(found["last_block_id"]),
        proposer=bytes.fromhex(found["proposer_address"]),
        **hashes,
    )


def _block_id(found: Answer) -> BlockId:
    parts = found["parts"]
    return BlockId(
        hash=bytes.fromhex(found["hash"]),
        parts=Parts(total=int(parts["total"]), hash=bytes.fromhex(parts["hash"])),
    )


def _commit(found: Answer) -> Commit:
    votes = tuple(
        CommitVote(
            address=bytes.fromhex(one["validator_address"]),
            time=engine_time(one["timestamp"]),
            signature=base64.b64decode(one["signature"], validate=True),
        )
        for one in found["signatures"]
        if one["block_id_flag"] == _FOR_THIS_BLOCK
    )
    return Commit(round=int(found["round"]), block=_block_id(found["block_id"]), votes=votes)


def _validator(found: Answer) -> Validator:
    return Validator(
        public=base64.b64decode(found["pub_key"]["value"], validate=True),
        power=int(found["voting_power"]),
    )
