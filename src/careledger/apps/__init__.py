"""The applications. Each folder here is one; adding a folder is all it takes to add another.

Which of them a chain runs, and from which height, stands in its genesis file: a node that lacks
one refuses to start, so that it cannot disagree, and a folder alone changes no chain.
"""

import importlib
import pkgutil
from typing import Any

from careledger.display import Page
from careledger.ledger.application import Application


def discover() -> dict[str, Application[Any, Any]]:  # Any: each has its own commands and events
    """Every application in this folder, by name, in alphabetical order."""
    found: dict[str, Application[Any, Any]] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        application = importlib.import_module(f"{__name__}.{module.name}").APPLICATION
        if not isinstance(application, Application):
            raise TypeError(module.name)
        found[application.name] = application
    return found


def installed() -> dict[tuple[str, int], Application[Any, Any]]:  # Any: each has its own commands
    """Every application that this program can run, by name and version."""
    return {(one.name, one.version): one for one in discover().values()}


def pages() -> dict[str, Page]:
    """How each application looks, by name."""
    return {name: importlib.import_module(f"{__name__}.{name}.view").PAGE for name in discover()}
