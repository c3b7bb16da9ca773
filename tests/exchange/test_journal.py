"""What a read is written as, and under which names reads lie in the cabinet."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from careledger.exchange.cabinet import SCHEMA, Cabinet, KeyNumber, Thing
from careledger.exchange.journal import Entry, Read, entry_bytes
from careledger.ledger.commitment import RecordName
from careledger.ledger.record import MemberId, decode, encode
from careledger.vault.keystore import FileKeyStore
from careledger.vault.rows import SqliteRows
from tests.exchange.world import ANA, DR_FINN, RIVERSIDE

NAMES = st.builds(
    RecordName,
    custodian=st.just(RIVERSIDE),
    account=st.just(ANA),
    type=st.just("Observation"),
    id=st.text("abc-", min_size=1, max_size=64),
    version=st.integers(1, 2**40),
)
READS = st.builds(
    Read,
    at=st.integers(0, 2**40),
    account=st.just(ANA),
    member=st.just(RIVERSIDE),
    practitioner=st.sampled_from((None, DR_FINN)),
    role=st.sampled_from((None, "clinician")),
    purpose=st.just("TREAT"),
    records=st.lists(NAMES, max_size=30).map(tuple),
    request=st.binary(max_size=300),
)


@given(READS, st.binary(min_size=32, max_size=32), st.sampled_from(("local", "ab" * 16)))
def test_an_entry_is_written_as_any_record_is(read: Read, salt: bytes, stream: str) -> None:
    entry = Entry(stream=stream, salt=salt, read=read)
    written = entry_bytes(stream, salt, encode(read))
    assert written == encode(entry)
    assert decode(written, Entry) == entry


def test_names_that_the_cabinet_gives_grow_and_are_given_once(tmp_path: Path) -> None:
    store = FileKeyStore.create(tmp_path / "organisation.keys")

    def put(count: int) -> list[bytes]:
        cabinet = Cabinet(SqliteRows(tmp_path / "x.sqlite", SCHEMA), store, MemberId("riverside"))
        thing = Thing("", ANA, "local", b"read", False, KeyNumber(0))  # noqa: FBT003 - not done
        names = cabinet.put([thing] * count, fresh=True)
        kept = cabinet.waiting()
        assert [name for _, name in kept][-count:] == names
        assert [one.content for one in cabinet.by_owner(ANA)] == [b"read"] * len(kept)
        cabinet.close()
        return list(names)

    names = put(3) + put(3)
    assert names == sorted(names)
    assert len({name[:8] for name in names}) == 6
    assert len({name[8:] for name in names}) == 6
