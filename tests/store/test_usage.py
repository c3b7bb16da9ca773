from pathlib import Path

import lmdb

from careledger.store.usage import usage_of


def test_a_reader_that_stays_shows_by_its_age(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=1) as environment:
        first = usage_of(environment, tmp_path)
        assert (first.readers, first.oldest_reader) == (0, 0)
        assert first.free_bytes > 0
        with environment.begin() as reader:
            reader.get(b"a")
            for number in range(5):
                with environment.begin(write=True) as writer:
                    writer.put(b"a", bytes([number]) * 100_000)
            held = usage_of(environment, tmp_path)
            assert (held.readers, held.oldest_reader) == (1, 5)
        after = usage_of(environment, tmp_path)
        assert (after.readers, after.oldest_reader) == (0, 0)
        assert first.bytes < after.bytes <= after.most_bytes
        assert after.bytes >= 500_000  # the held reader kept pages from being used again
