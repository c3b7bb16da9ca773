"""Command line of the generator: writes one folder of bundles for each organisation."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from careledger.fhir.synthetic.dates import AS_OF
from careledger.fhir.synthetic.population import population


def main(arguments: Sequence[str] | None = None) -> int:
    """Write FOLDER/<organisation>/<name>.json; return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m careledger.fhir.synthetic",
        description="Write a synthetic population as FHIR R4 bundles.",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--patients", type=int, default=50)
    parser.add_argument("--as-of", type=date.fromisoformat, default=AS_OF, metavar="YYYY-MM-DD")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    bundles = resources = 0
    for bundle in population(options.seed, options.patients, as_of=options.as_of):
        folder = options.out / bundle.organisation
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{bundle.name}.json").write_bytes(bundle.body)
        bundles += 1
        resources += bundle.resources
    sys.stdout.write(f"{bundles} bundles, {resources} resources in {options.out}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
