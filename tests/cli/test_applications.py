"""Commands made from records: every application has them all, and they sign and send."""

import secrets
import time

import pytest

from careledger.apps import discover
from tests.cli.running import Network, careledger, done

FRIENDLY = {"grant", "deny", "revoke"}


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_command_of_every_application_is_there(name: str) -> None:
    told = done(name, "--help")
    for command in discover()[name].commands:
        tag = str(command.__struct_config__.tag)
        assert f"\n  {tag} " in told
        if name == "consent" and tag in FRIENDLY:
            continue
        first = (command.__doc__ or "").splitlines()[0].split()[0]
        helped = done(name, tag, "--help")
        assert first in helped
        for field in command.__struct_fields__:
            assert f"--{field.replace('_', '-')} " in helped


def test_members_propose_and_vote(network: Network) -> None:
    proposal = secrets.token_hex(16)
    told = done(
        *("governance", "propose", "--home", network.home("lakeview")),
        *("--proposal", proposal, "--until", int(time.time()) + 3_600),
        *("--motion", '{"type":"set-roles","member":"hilltop","roles":["pharmacy","payer"]}'),
    )
    assert "Transaction " in told
    vote = ("governance", "vote", "--proposal", proposal, "--approve", "true")
    done(*vote, "--home", network.home("hilltop"))
    done(*vote, "--home", network.home("riverside"))
    again = careledger(*vote, "--home", network.home("hilltop"))
    assert (again.exit_code, "refused (" in again.output) == (1, True)


def test_a_practitioner_signs_with_the_credential(network: Network) -> None:
    result = careledger(
        *("consent", "end-paper", "--as", network.dr_cho),
        *("--account", "@" + "a" * 26, "--consent-id", "00" * 16),
    )
    assert (result.exit_code, "There is no consent with this id" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--gateway", "ftp://x"), "matching regex"),
        ((), "--gateway"),
        (("--gateway", "http://x"), "say who signs"),
    ],
)
def test_what_a_record_does_not_take(options: tuple[str, ...], said: str) -> None:
    result = careledger("governance", "set-endpoint", *options)
    assert (result.exit_code, said in result.output) == (64, True)


def test_bytes_are_hex_and_records_are_json(network: Network) -> None:
    for option, value in (("--old", "zz"), ("--key", "{")):
        rest = {"--old": "00" * 32, "--key": '{"use":"client"}'} | {option: value}
        result = careledger(
            *("governance", "rotate-key", "--home", network.home("hilltop")),
            *(text for pair in rest.items() for text in pair),
        )
        assert (result.exit_code, option in result.output) == (64, True)
