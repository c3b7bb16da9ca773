"""FHIR: validate, extract and rewrite references, as a multiple of only decoding the same bytes.

Synthea bundles from ../shared/data, or from the folder given as the argument (`*.json`,
`*.json.bz2`). One process, one core. Each bundle is taken apart, given new ids, its references
rewritten in its bytes, every resource checked and its facts extracted: all that ingest does before
sealing. The yardstick is `msgspec.json.decode` of the same bundle into plain dictionaries.
"""

import bz2
import gc
import statistics
import sys
import time
from pathlib import Path

import msgspec

from careledger.fhir.bundle import is_conditional, parse_bundle
from careledger.fhir.index import extract
from careledger.fhir.references import resolve_references, with_id
from careledger.fhir.resource import parse_resource

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "synthea"
ROUNDS = 3


def load(folder: Path) -> list[bytes]:
    files = [*sorted(folder.glob("*.json")), *sorted(folder.glob("*.json.bz2"))]
    packed = ((file, file.read_bytes()) for file in files)
    return [bz2.decompress(data) if file.suffix == ".bz2" else data for file, data in packed]


def ingest(content: bytes) -> int:
    bundle = parse_bundle(content)
    ids = [f"n{entry.position}" for entry in bundle.entries]
    mapping = bundle.mapping([f"{e.type}/{i}" for e, i in zip(bundle.entries, ids, strict=True)])
    for entry in bundle.entries:
        for text in filter(is_conditional, entry.references):
            mapping[text] = f"{text.partition('?')[0]}/found"
    for entry, new_id in zip(bundle.entries, ids, strict=True):
        raw = resolve_references(entry.resource or b"", mapping)
        extract(parse_resource(with_id(raw, new_id)))
    return len(bundle.entries)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    bundles = load(folder) if folder.is_dir() else []
    if not bundles:
        print(f"no bundles: looked for *.json and *.json.bz2 in {folder}")
        return
    for content in bundles:  # loads the models
        ingest(content)
    gc.freeze()
    seconds: list[float] = []
    plain = 0.0
    resources = 0
    for _ in range(ROUNDS):
        for content in bundles:
            start = time.perf_counter()
            msgspec.json.decode(content)
            middle = time.perf_counter()
            resources += ingest(content)
            end = time.perf_counter()
            plain += middle - start
            seconds.append(end - middle)
    total = sum(seconds)
    size = ROUNDS * sum(map(len, bundles))
    cuts = statistics.quantiles(seconds, n=100)
    print(
        f"bundles {len(bundles)}, resources {resources // ROUNDS}, {size // resources} bytes each"
    )
    print(f"validate + extract + rewrite: {resources / total:,.0f} resources/s")
    print(f"plain decode:                 {resources / plain:,.0f} resources/s")
    print(f"ratio to plain decode:        {plain / total:.3f}")
    print(
        "per bundle, ms:               "
        f"p50 {cuts[49] * 1e3:.1f}  p95 {cuts[94] * 1e3:.1f}  p99 {cuts[98] * 1e3:.1f}"
    )


if __name__ == "__main__":
    main()
