import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.record import Digest, MemberId, encode
from careledger.wallet.keys import client_key, file_key, pairwise_key

ROOT = Path(__file__).resolve().parents[2]
SEED, CHAIN = bytes(range(32)), Digest(bytes(32))
VECTOR = json.loads((ROOT / "tests" / "vectors" / "wallet.json").read_text())

members = st.from_regex(r"[a-z][a-z0-9-]{1,10}", fullmatch=True).map(MemberId)


def test_the_vector_holds() -> None:
    seed, chain = bytes.fromhex(VECTOR["seed"]), Digest(bytes.fromhex(VECTOR["chain"]))
    key = pairwise_key(seed, chain, MemberId(VECTOR["member"]), VECTOR["generation"])
    purpose = ("careledger pairwise key v1", chain, VECTOR["member"], VECTOR["generation"])
    assert encode(purpose).hex() == VECTOR["info"]
    assert key.seed.hex() == VECTOR["seed of the key"]
    assert key.public.public.hex() == VECTOR["public key"]
    signing_in = client_key(seed, chain, MemberId(VECTOR["member"]), VECTOR["generation"])
    assert signing_in.public.public.hex() == VECTOR["client key"]
    assert file_key(seed, VECTOR["file"]).hex() == VECTOR["file key"]


def test_the_specification_shows_the_vector() -> None:
    page = "".join((ROOT / "spec" / "wallet.md").read_text().split())
    for name, value in VECTOR.items():
        assert re.search(re.escape(str(value)), page), name


@given(first=st.tuples(members, st.integers(0, 9)), second=st.tuples(members, st.integers(0, 9)))
def test_keys_toward_two_organisations_or_of_two_generations_differ(
    first: tuple[MemberId, int], second: tuple[MemberId, int]
) -> None:
    one, other = (pairwise_key(SEED, CHAIN, *which) for which in (first, second))
    assert (one == other) == (first == second)


def test_keys_differ_from_chain_to_chain_and_from_seed_to_seed() -> None:
    keys = {
        pairwise_key(seed, Digest(chain), MemberId("riverside"), 0).seed
        for seed in (SEED, SEED[::-1])
        for chain in (bytes(32), b"\1" * 32)
    }
    assert len(keys) == 4
