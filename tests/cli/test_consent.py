"""Consent as Ana and Dr Cho live it: allowed, read, refused, ended, and told."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.running import ANA_AT_LAKEVIEW, Network, careledger, done, eventually, patient


@pytest.fixture
def grant(ana: Path) -> str:
    """A grant to Lakeview of medications and results; its id."""
    return give(ana, "--what", "medications", "--what", "results", "--label", "for my hip")


def give(ana: Path, *options: str, to: str = "lakeview", why: str = "treatment") -> str:
    told = done(
        *("consent", "grant", "--from", "riverside", "--to", to, "--for", why),
        *("--days", "365", "--wallet", ana, *options),
    )
    return id_in(told)


def id_in(told: str) -> str:
    found = re.search(r"consent ([0-9a-f]{32})", told)
    assert found is not None, told
    return found[1]


def as_dr_cho(network: Network, type_: str, purpose: str = "TREAT") -> tuple[object, ...]:
    return (
        *("read", type_, "--as", network.dr_cho, "--purpose", purpose, "--role", "clinician"),
        *("--from", "riverside", "--patient", ANA_AT_LAKEVIEW),
    )


def end_all(ana: Path) -> None:
    for one in json.loads(done("consent", "list", "--json", "--wallet", ana)):
        if one["ended"] is None:
            done("consent", "revoke", one["consent"], "--wallet", ana)


def test_dr_cho_reads_what_ana_allows_and_nothing_else(
    network: Network, ana: Path, grant: str
) -> None:
    assert "Metformin 500 mg" in done(*as_dr_cho(network, "MedicationRequest"))
    observations = done(*as_dr_cho(network, "Observation"))
    assert "Haemoglobin A1c 7.1 %" in observations
    assert "Heart rate" not in observations
    assert "may be incomplete" in observations
    assert careledger(*as_dr_cho(network, "Condition")).exit_code == 1


def test_another_purpose_is_refused_by_name(network: Network, ana: Path, grant: str) -> None:
    result = careledger(*as_dr_cho(network, "MedicationRequest", "HRESCH"))
    assert (result.exit_code, "purpose" in result.output) == (1, True)
    told = done("log", "--wallet", ana)
    assert "for research and was refused: you did not allow that purpose." in told


def test_a_purpose_is_never_assumed(network: Network) -> None:
    result = careledger(
        *("read", "--as", network.dr_cho, "--from", "riverside", "--patient", ANA_AT_LAKEVIEW)
    )
    assert (result.exit_code, "say why" in result.output) == (64, True)


def test_revoking_ends_it_within_a_block(network: Network, ana: Path, grant: str) -> None:
    assert "Metformin" in done(*as_dr_cho(network, "MedicationRequest"))
    end_all(ana)
    result = careledger(*as_dr_cho(network, "MedicationRequest"))
    assert (result.exit_code, "status" in result.output) == (1, True)
    told = done("log", "--wallet", ana)
    assert told.splitlines()[-1].endswith("was refused: your consent has ended.")
    assert "ended" in done("consent", "show", grant[:10], "--wallet", ana)


def test_a_denial_stands_above_a_grant(network: Network, ana: Path, grant: str) -> None:
    denied = id_in(
        done(
            *("consent", "deny", "--from", "riverside", "--to", "lakeview"),
            *("--what", "medications", "--wallet", ana),
        )
    )
    withheld = done(*as_dr_cho(network, "MedicationRequest"))
    assert "Nothing." in withheld  # it looks as if there were none
    assert "may be incomplete" in withheld
    assert "Haemoglobin" in done(*as_dr_cho(network, "Observation"))
    done("consent", "revoke", denied, "--wallet", ana)
    assert "Metformin" in done(*as_dr_cho(network, "MedicationRequest"))


def test_terms_wait_for_a_gateway_that_is_down(network: Network, ana: Path) -> None:
    told = done(
        *("consent", "grant", "--from", "riverside", "--to", "hilltop", "--for", "payment"),
        *("--wallet", ana),
    )
    assert "riverside has signed for the terms" in told
    assert "waiting for hilltop: no answer" in told
    assert "waiting for hilltop" in done("consent", "list", "--wallet", ana)
    assert "waiting for hilltop" in done("consent", "deliver", "--wallet", ana)
    done("consent", "revoke", id_in(told), "--wallet", ana)
    assert "Nothing waits." in done("consent", "deliver", "--wallet", ana)


def test_a_grantee_that_does_not_know_her_yet(network: Network, tmp_path: Path) -> None:
    for member, id_ in (("riverside", "liv-1"), ("lakeview", "lv-liv")):
        network.ingest(member, tmp_path / "p.json", patient(id_, "Liv"))
    liv = network.new_wallet(tmp_path / "liv")
    done("wallet", "claim", "riverside", network.code("riverside", "liv-1"), "--wallet", liv)
    told = done(
        *("consent", "grant", "--from", "riverside", "--to", "lakeview", "--for", "TREAT"),
        *("--wallet", liv),
    )
    assert "lakeview cannot tell that it is about you" in told
    ask = (
        *("read", "Patient", "--as", network.dr_cho, "--purpose", "TREAT"),
        *("--from", "riverside", "--patient", "lv-liv"),
    )
    assert "there is no consent" in careledger(*ask).output
    done("wallet", "claim", "lakeview", network.code("lakeview", "lv-liv"), "--wallet", liv)
    assert "lakeview has signed" in done("consent", "deliver", "--wallet", liv)
    assert "liv-1" in done(*ask)


def test_show_tells_all_of_it(ana: Path, grant: str) -> None:
    told = done("consent", "show", grant, "--wallet", ana)
    for part in (
        "“for my hip”",
        "allows Lakeview Clinic",
        "read or search records held by Riverside Hospital",
        "for treatment",
        "MedicationRequest",
        "and also Observation of category",
        "Lakeview Clinic: delivered",
    ):
        assert part in told


def test_a_consent_that_the_rules_refuse_is_not_kept(ana: Path) -> None:
    before = done("consent", "list", "--wallet", ana)
    result = careledger(
        *("consent", "grant", "--from", "riverside", "--to", "nobody", "--for", "TREAT"),
        *("--wallet", ana),
    )
    assert (result.exit_code, "No active organisation" in result.output) == (1, True)
    assert done("consent", "list", "--wallet", ana) == before
    assert "Nothing waits." in done("consent", "deliver", "--wallet", ana)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--for", "fun"), "is no purpose"),
        (("--for", "TREAT", "--what", "gossip"), "is not part of a record"),
        (("--for", "TREAT", "--except-label", "secret"), "is no sensitivity label"),
        (("--for", "TREAT", "--until", "soon"), "is no date"),
        (("--for", "TREAT", "--data-from", "2024", "--data-until", "2023"), "ends before"),
    ],
)
def test_options_that_mean_nothing(ana: Path, options: tuple[str, ...], said: str) -> None:
    result = careledger(
        *("consent", "grant", "--from", "riverside", "--to", "lakeview", "--wallet", ana),
        *options,
    )
    assert (result.exit_code, said in result.output) == (1, True)


def test_a_fhir_consent_is_given_as_it_says(network: Network, ana: Path, tmp_path: Path) -> None:
    end_all(ana)
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "x", "code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "provision": {
            "type": "permit",
            "actor": [
                {
                    "role": {"coding": [{"code": "IRCP"}]},
                    "reference": {"reference": "Organization/lakeview"},
                }
            ],
            "purpose": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
            ],
            "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}],
        },
    }
    file = tmp_path / "consent.json"
    file.write_text(json.dumps(consent))
    command = ("consent", "import", file, "--from", "riverside", "--wallet", ana)
    refused = careledger(*command, typed="n\n")
    assert (refused.exit_code, "Allow Lakeview Clinic" in refused.output) == (130, True)
    done(*command, "--yes")
    assert "Type 2 diabetes" in done(*as_dr_cho(network, "Condition"))
    assert careledger(*as_dr_cho(network, "MedicationRequest")).exit_code == 1
    end_all(ana)


def test_a_draft_fhir_consent_is_not_given(ana: Path, tmp_path: Path) -> None:
    file = tmp_path / "consent.json"
    file.write_text(json.dumps({"resourceType": "Consent", "status": "draft"}))
    result = careledger("consent", "import", file, "--from", "riverside", "--wallet", ana)
    assert result.exit_code == 1


def test_the_log_says_who_why_and_under_which_permission(
    network: Network, ana: Path, grant: str
) -> None:
    done(*as_dr_cho(network, "MedicationRequest"))
    expected = (
        "Dr Cho (clinician) of Lakeview Clinic got to search your records at Riverside Hospital "
        f"for treatment, as your consent “for my hip” ({grant[:8]}) allows."
    )
    assert expected in done("log", "--wallet", ana)
    assert expected not in done("log", "--from", "lakeview", "--wallet", ana)
    lines = json.loads(done("log", "--json", "--wallet", ana))
    [line] = [one for one in lines if one["sentence"] == expected]
    assert line["event"]["purpose"] == "TREAT"
    assert line["event"]["basis_id"] == grant
    assert len(line["transaction"]) == 64
    told = eventually("confirmed what", "log", "--all", "--wallet", ana)
    assert "Lakeview Clinic confirmed what Riverside Hospital gave" in told
    end_all(ana)
