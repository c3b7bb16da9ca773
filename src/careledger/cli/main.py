"""`careledger`: the command line. Each command is a module of its own, imported when it is used."""

import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from careledger.cli.lazy import LazyGroup, Target

USAGE = 64
"""Exit status when the command itself was wrong (BSD sysexits)."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the signal's number, as shells have it."""

_OWN = {
    "init": Target("careledger.cli.init:init", "Found a network on this machine."),
    "network": Target(
        "careledger.cli.network:network",
        "Found a network of several nodes, or join one; see who broke its rules.",
    ),
    "node": Target("careledger.cli.node:node", "Run the node that orders and proves."),
    "gateway": Target(
        "careledger.cli.gateway:gateway", "Run an organisation's gateway; work at its desk."
    ),
    "idp": Target("careledger.cli.idp:idp", "A small sign-in provider for trying out."),
    "wallet": Target("careledger.cli.wallet:wallet", "A patient's keys and accounts."),
    "consent": Target("careledger.cli.consent:consent", "Allow, forbid, end and show consents."),
    "ingest": Target("careledger.cli.ingest:ingest", "Send FHIR bundles to a gateway."),
    "read": Target("careledger.cli.read:read", "Read records: one's own, or a patient's."),
    "log": Target("careledger.cli.log:log", "Who looked, why, and under which permission."),
    "export": Target("careledger.cli.export:export", "Take one's whole record along, with proofs."),
    "receipt": Target("careledger.cli.receipt:receipt", "Keep proof of a transaction or consent."),
    "verify": Target("careledger.verify.main:command", "Check a proof offline."),
    "save-log": Target(
        "careledger.cli.save_log:save_log", "Save a whole log, to check it offline."
    ),
    "audit": Target(
        "careledger.cli.audit:audit", "Watch a node, mirror its log, shout about two histories."
    ),
    "trust": Target("careledger.cli.trust:trust", "Write down whom one believes about a chain."),
    "key": Target("careledger.cli.key:key", "A member's signing keys: make, show, rotate."),
    "fsck": Target("careledger.cli.fsck:fsck", "Compute a node's whole ledger again and compare."),
}
_DEMO = "careledger.cli.demo.main"


def _targets() -> dict[str, Target]:
    """Our own commands, the demo if it is there, and one group for each application."""
    found = dict(_OWN)
    if importlib.util.find_spec("careledger.cli.demo") is not None:
        found["demo"] = Target(f"{_DEMO}:demo", "Four organisations, one patient, one story.")
    apps = importlib.util.find_spec("careledger.apps")
    for module in pkgutil.iter_modules(apps.submodule_search_locations if apps else None):
        if module.ispkg and module.name not in found:
            where = f"careledger.cli.applications:{module.name}"
            found[module.name] = Target(where, f"Sign and send commands of {module.name}.")
    return found


class Program(LazyGroup):
    """The whole program: every failure is one clear line and an exit status."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002, FBT001, FBT002 - click's own signature
        **extra: Any,  # Any: click's own settings
    ) -> NoReturn:
        """Run one command and end with its status: 0 done, 1 failed, 2 undecided, 64 misused."""
        try:
            status = super().main(
                args, prog_name or "careledger", complete_var, standalone_mode=False, **extra
            )
        except click.UsageError as error:
            error.show()
            sys.exit(USAGE)
        except click.ClickException as error:
            error.show()
            sys.exit(1)
        except (click.Abort, KeyboardInterrupt):
            click.echo("Stopped.", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 - `explain` raises what is a defect of ours
            click.echo(f"Error: {_explain(error)}", err=True)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _explain(error: Exception) -> str:
    from careledger.cli.explain import explain

    return explain(error)


main = Program(
    "careledger",
    _targets(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="A health information exchange that no single organisation owns.",
)
click.version_option(package_name="careledger", message="%(prog)s %(version)s")(main)
