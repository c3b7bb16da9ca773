"""Whom one believes: trust files from a genesis file, or from a ledger."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from careledger.cli.main import main
from careledger.verify.trust import parse_trust
from tests.node.consortium import MEMBERS, Consortium, key


def trust(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["trust", *map(str, arguments)])


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path / "net")


def test_from_a_genesis_file(consortium: Consortium, tmp_path: Path) -> None:
    out = tmp_path / "trust.json"
    result = trust("--genesis", consortium.genesis, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"Chain {consortium.chain.hex()}" in result.output
    assert "3 of 4 must have signed: clinic, hospital, payer, pharmacy" in result.output
    made = parse_trust(out.read_bytes())
    assert (made.chain, made.threshold) == (consortium.chain.hex(), 3)
    assert {one.member: one.checkpoint for one in made.members} == {
        member: (key(member, "checkpoint").public.public,) for member in MEMBERS
    }
    assert all(len(one.receipt) == 1 for one in made.members)


def test_from_a_ledger_and_for_some(consortium: Consortium, tmp_path: Path) -> None:
    with consortium.running("payer"):
        pass
    out = tmp_path / "trust.json"
    some = ("--member", "payer", "--member", "clinic")
    result = trust("--home", consortium.home("payer"), *some, "--threshold", 1, "--out", out)
    assert result.exit_code == 0, result.output
    assert "1 of 2 must have signed: clinic, payer" in result.output
    assert parse_trust(out.read_bytes()).chain == consortium.chain.hex()


def test_what_nobody_could_satisfy_is_not_written(consortium: Consortium, tmp_path: Path) -> None:
    out = tmp_path / "trust.json"
    for wrong, said in (
        (("--threshold", 5), "5 of 4 members cannot sign"),
        (("--member", "stranger"), "without a checkpoint key: stranger"),
        (("--home", consortium.home("payer")), "either --genesis or --home"),
    ):
        result = trust("--genesis", consortium.genesis, *wrong, "--out", out)
        assert result.exit_code in {1, 64}
        assert said in result.output
    assert not out.exists()
