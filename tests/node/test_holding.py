"""A home is one process's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from careledger.node.holding import HomeInUse, hold_home


def test_a_home_already_running_says_by_whom(tmp_path: Path) -> None:
    says = f"as process {os.getpid()}: stop"
    with hold_home(tmp_path), pytest.raises(HomeInUse, match=says), hold_home(tmp_path):
        pass
    with hold_home(tmp_path):
        pass


_HOLD = """
import sys
from pathlib import Path
from careledger.node.holding import hold_home
with hold_home(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_whoever_is_killed_holds_it_no_more(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(HomeInUse, match=f"as process {holder.pid}"), hold_home(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with hold_home(tmp_path):
        assert (tmp_path / "node.lock").read_text() == f"{os.getpid()}\n"
