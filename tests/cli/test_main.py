import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import careledger

SLOW = ("lmdb", "httpx2", "starlette", "rich", "cryptography", "msgspec", "cbor2")


def test_help_imports_nothing_that_takes_time() -> None:
    code = "import sys; from careledger.cli.main import main\ntry: main(['--help'])\nfinally: "
    code += f"print([name for name in {SLOW!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_help_lists_commands_and_applications() -> None:
    told = careledger("--help").output
    for name in ("init", "consent", "log", "verify", "governance", "identity", "records"):
        assert f"\n  {name} " in told


@pytest.mark.parametrize(
    "misused",
    [
        ("nonsense",),
        ("consent", "grant"),
        ("read", "--search", "code=1"),
        ("receipt", "abc"),
        ("init", "x", "--member", "riverside"),
        ("verify", "/nowhere"),
    ],
)
def test_misuse_is_64_and_says_how(misused: tuple[str, ...]) -> None:
    result = careledger(*misused)
    assert result.exit_code == 64
    assert result.output.splitlines()[-1].startswith("Error: ")


def test_failure_is_1_and_one_line(tmp_path: Path) -> None:
    result = careledger("wallet", "accounts", "--wallet", tmp_path / "none")
    assert result.exit_code == 1
    assert result.output == (
        f"Error: there is no wallet in {tmp_path / 'none'}: `careledger wallet new` makes one\n"
    )


def test_a_node_that_is_not_there(tmp_path: Path) -> None:
    result = careledger(
        "wallet",
        "new",
        "--wallet",
        tmp_path / "w",
        "--node",
        "http://127.0.0.1:9",
        "--no-passphrase",
    )
    assert result.exit_code == 1
    assert "Is it running?" in result.output
    assert not (tmp_path / "w").exists()


def test_a_home_that_is_none(tmp_path: Path) -> None:
    result = careledger("node", "run", tmp_path)
    assert (result.exit_code, "careledger init" in result.output) == (1, True)
