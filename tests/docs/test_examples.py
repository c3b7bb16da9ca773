"""What the examples for operators name exists: paths, make targets, commands and their options."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import click
import pytest
import yaml

from tests.docs.test_commands import find

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
CONTAINER = EXAMPLES / "container" / "Containerfile"
COMPOSE = EXAMPLES / "container" / "compose.yaml"
UNITS = sorted((EXAMPLES / "systemd").glob("*.service"))
ALERTS = EXAMPLES / "careledger-alerts.yml"

PROGRAM = "/opt/careledger/.venv/bin/careledger"
"""Where both ways of running it have it."""


def instructions() -> list[tuple[str, str]]:
    """The container file: (instruction, the rest of it), lines put together."""
    joined = re.sub(r"\\\n", " ", CONTAINER.read_text())
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (x.partition(" ") for x in lines)]


def named(instruction: str) -> list[str]:
    return [rest for word, rest in instructions() if word == instruction]


def made() -> list[str]:
    """What the container file has `make` make."""
    return [target for run in named("RUN") for target in re.findall(r"(?:^|&& )make (\S+)", run)]


def check_command(words: list[str]) -> None:
    """The command that `words` call is there, and takes them."""
    assert words[0] == PROGRAM
    command, rest = find(["careledger", *words[1:]])
    assert not isinstance(command, click.Group), words
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    options = {
        name: one for one in command.params if isinstance(one, click.Option) for name in one.opts
    }
    given = 0
    for word in rest:
        if word.startswith("--"):
            assert word.partition("=")[0] in options
        else:
            given += 1
    assert given == len(arguments), words


def test_the_container_s_steps_name_what_is_there() -> None:
    assert {word for word, _ in instructions()} <= {
        *("FROM", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "ENTRYPOINT", "CMD"),
    }
    assert named("FROM")[0].endswith(" AS build")
    assert len({rest.split()[0] for rest in named("FROM")}) == 1, "one Python in both stages"
    assert set(made()) == {"engine", ".tools/stamps/project"}
    for copied in named("COPY"):
        *source, place = copied.split()
        if source[0].startswith("--from="):
            assert source[0] == "--from=build"
            assert source[1] == place == str(PurePosixPath(PROGRAM).parents[2])
        else:
            assert source == ["."]
    assert named("WORKDIR") == [str(PurePosixPath(PROGRAM).parents[2])]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here: apt install make")
def test_make_knows_the_targets_that_the_container_file_makes() -> None:
    for target in made():
        found = subprocess.run(
            ["make", "--dry-run", "--always-make", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr


def test_the_container_runs_a_command_that_is_there_on_a_volume() -> None:
    [entry], [command], [volume] = named("ENTRYPOINT"), named("CMD"), named("VOLUME")
    start = [*yaml.safe_load(entry), *yaml.safe_load(command)]
    check_command(start)
    assert start[-1].startswith(f"{volume}/")
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert set(services) == {"node", "gateway"}
    for service in services.values():
        check_command([PROGRAM, *service["command"]])
        assert [one.partition(":")[2] for one in service["volumes"]] == [volume]
        assert f"--tag {service['image']} " in CONTAINER.read_text()
        assert "/tmp" in service["tmpfs"], "an engine's socket may need it"


def test_nothing_that_was_made_here_goes_into_the_container() -> None:
    """A `.venv` of another place would look up to date there, and not run."""
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {".git", ".venv", ".tools"} <= ignored


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_unit_starts_a_command_that_is_there_and_may_write_its_home(unit: Path) -> None:
    found = configparser.ConfigParser(interpolation=None, strict=True)
    found.optionxform = str  # type: ignore[assignment] # keep capitals
    found.read_string(unit.read_text())
    assert set(found.sections()) == {"Unit", "Service", "Install"}
    service = found["Service"]
    command = shlex.split(service["ExecStart"])
    check_command(command)
    home = PurePosixPath(command[-1])
    assert home.is_relative_to(service["ReadWritePaths"])
    others = {one.name for one in UNITS}
    for key in ("After", "Wants"):
        for name in found["Unit"].get(key, "").split():
            assert name.replace("%i", "") in others or name.endswith(".target")


def test_there_are_two_units() -> None:
    assert [unit.name for unit in UNITS] == [
        "careledger-gateway@.service",
        "careledger-node@.service",
    ]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not here: apt install systemd",
)
@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    """As it would read them for one member; the program has another place here."""
    program = tmp_path / "careledger"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for one in UNITS:
        name = one.name.replace("@.", "@hospital.") if one == unit else one.name
        (tmp_path / name).write_text(one.read_text().replace(PROGRAM, str(program)))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name.replace("@.", "@hospital.")],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in found.stderr.splitlines() if "careledger" in line]
    assert (found.returncode, ours) == (0, []), found.stderr


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not here: apt install prometheus (tests/gateway/test_node_metrics.py "
    "parses the rules and looks for their metrics without it)",
)
def test_prometheus_takes_the_alert_rules() -> None:
    found = subprocess.run(
        ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    rules = sum(len(group["rules"]) for group in yaml.safe_load(ALERTS.read_text())["groups"])
    assert f"{rules} rules found" in found.stdout
