"""The generated models: made by their generator, from the definitions, every time the same."""

import subprocess
import sys
from pathlib import Path

from careledger.fhir import r4
from tools import generate_fhir_models, generate_us_core_parameters


def test_the_generator_writes_what_is_committed(shared_data: Path, tmp_path: Path) -> None:
    generate_fhir_models.main(shared_data / "fhir-spec", tmp_path)
    generate_us_core_parameters.main(shared_data / "fhir-spec", tmp_path)
    committed = Path(r4.__file__).parent
    names = sorted(file.name for file in tmp_path.glob("*.py"))
    assert names == sorted(file.name for file in committed.glob("*.py"))
    for name in names:
        assert (tmp_path / name).read_bytes() == (committed / name).read_bytes(), name


def test_no_model_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys, careledger.fhir.resource\n"
        "print(sorted(m for m in sys.modules if m.startswith('careledger.fhir.r4.')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == "['careledger.fhir.r4.registry']"
