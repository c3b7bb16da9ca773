"""The engine may say as much as it likes: the disk is not filled with it."""

from pathlib import Path

from careledger.consensus.cometbft.log_file import BoundedLog


def test_the_newest_is_kept_within_bounds(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "engine.log", max_bytes=100, kept=2)
    for number in range(100):
        log.write(b"line %04d\n" % number)
    log.write(b"the last\n")
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["engine.log", "engine.log.1", "engine.log.2"]
    assert all(path.stat().st_size <= 110 for path in files)
    said = b"".join(path.read_bytes() for path in reversed(files))
    assert said.startswith(b"line 0080\n")
    assert said.endswith(b"line 0099\nthe last\n")


def test_it_goes_on_where_it_stopped_and_is_private(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        log = BoundedLog(tmp_path / "engine.log")
        log.write(line)
        log.close()
    assert (tmp_path / "engine.log").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "engine.log").stat().st_mode & 0o077 == 0


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "missing" / "engine.log")
    log.write(b"lost\n")
    (tmp_path / "missing").mkdir()
    log.write(b"kept\n")
    log.close()
    assert (tmp_path / "missing" / "engine.log").read_bytes() == b"kept\n"
