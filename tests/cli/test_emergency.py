"""Break-glass: Dr Cho signs for an emergency, and Ana is told."""

from pathlib import Path

from tests.cli.running import ANA_AT_LAKEVIEW, Network, careledger, done
from tests.cli.test_consent import end_all


def account(ana: Path) -> str:
    lines = done("wallet", "accounts", "--wallet", ana).splitlines()
    return next(line.split()[0] for line in lines if " riverside " in line)


def ask(network: Network, *options: object) -> tuple[object, ...]:
    return (
        *("read", "MedicationRequest", "--as", network.dr_cho, "--role", "clinician"),
        *("--from", "riverside", "--patient", ANA_AT_LAKEVIEW),
        *options,
    )


def test_the_glass_is_broken_by_signature_and_the_patient_is_told(
    network: Network, ana: Path
) -> None:
    end_all(ana)
    emergency = ("--purpose", "ETREAT", "--emergency", "unconscious", "--account", account(ana))
    assert "Metformin" in done(*ask(network, *emergency))
    told = done("log", "--wallet", ana)
    assert "Dr Cho signed, at Riverside Hospital, for an emergency: you were unconscious." in told
    assert "for emergency treatment, in an emergency, without your consent." in told


def test_an_emergency_is_for_emergency_treatment_only(network: Network, ana: Path) -> None:
    emergency = ("--purpose", "HPAYMT", "--emergency", "unconscious", "--account", account(ana))
    result = careledger(*ask(network, *emergency))
    assert (result.exit_code, "purpose" in result.output) == (1, True)


def test_an_emergency_has_one_of_the_reasons(network: Network, ana: Path) -> None:
    emergency = ("--purpose", "ETREAT", "--emergency", "curious", "--account", account(ana))
    assert careledger(*ask(network, *emergency)).exit_code == 64
    assert (
        careledger(*ask(network, "--purpose", "ETREAT", "--emergency", "disaster")).exit_code == 64
    )
