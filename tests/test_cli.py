"""`sohoa` answers the person who types it: what went well in a line, what must be mended in one sentence."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text

from pipeline import cli, steps
from pipeline.migrate import wanted_batch
from reporting.batch import print_batch

pytestmark = pytest.mark.slow  # half a minute in all


ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_scans"
SOHOA = Path(sys.executable).with_name("sohoa")
REGISTRY = "patient_id,name,birth_date,sex,encounter_number\n19666357,NGUYỄN KIM LIỄU,1957-01-02,female,19.013225\n"


@pytest.fixture
def sohoa(clean, monkeypatch, capsys):
    """Call the command line in this process: (exit code, standard output, standard error), in single spaces."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sohoa", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code or 0, " ".join(said.out.split()), " ".join(said.err.split())

    return call


@pytest.fixture
def box(tmp_path):
    """A folder with one scan, an hour old."""
    folder = tmp_path / "box"
    folder.mkdir()
    put(folder, "nhan.pdf", (SAMPLES / "born_digital.pdf").read_bytes())
    return folder


def put(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    os.utime(folder / name, (time.time() - 3600,) * 2)


def count(engine, table: str) -> int:
    with engine.connect() as conn:
        return conn.scalar(text(f"SELECT count(*) FROM {table}"))


def assert_refused(answer: tuple[int, str, str], *words: str) -> None:
    """One sentence on standard error, exit code 2, nothing on standard output."""
    code, out, error = answer
    assert (code, out) == (2, ""), answer
    assert error.startswith("sohoa: ") and "Traceback" not in error
    for word in words:
        assert word in error, error


# What `migrate` refuses before it takes anything in.


def test_a_folder_that_does_not_exist_is_refused(sohoa, tmp_path, clean):
    assert_refused(sohoa("migrate", tmp_path / "nowhere"), "nowhere is not a folder")
    assert count(clean, "pipeline.batch") == 0


def test_a_file_in_place_of_a_folder_and_a_path_below_a_file_are_refused(sohoa, box, clean):
    assert_refused(sohoa("migrate", box / "nhan.pdf"), "is not a folder")
    assert_refused(sohoa("migrate", box / "nhan.pdf" / "box"), "is not a folder")
    assert count(clean, "pipeline.batch") == 0


def test_an_empty_folder_and_one_without_scans_are_refused(sohoa, tmp_path, clean):
    folder = tmp_path / "box"
    folder.mkdir()
    assert_refused(sohoa("migrate", folder), "holds no scans", "PDF")
    put(folder, "notes.txt", b"x")
    assert_refused(sohoa("migrate", folder), "holds no scans")
    assert count(clean, "pipeline.batch") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused(sohoa, box, clean):
    box.chmod(0)
    try:
        assert_refused(sohoa("migrate", box), "cannot be read")
    finally:
        box.chmod(0o700)
    assert count(clean, "pipeline.batch") == 0


@pytest.mark.parametrize("name", ["box 17", "../17", "a;b", "x" * 121, "-n/17"])
def test_a_name_that_cannot_name_a_batch_is_refused(sohoa, box, clean, name):
    assert_refused(sohoa("migrate", box, f"--batch={name}"), "cannot name a batch", "letters, digits")
    assert count(clean, "pipeline.batch") == 0


def test_a_batch_of_another_folder_is_refused(sohoa, box, tmp_path, clean):
    assert sohoa("batch", "create", box, "--batch", "box-17")[0] == 0
    other = tmp_path / "other"
    other.mkdir()
    put(other, "nhan.pdf", b"%PDF-")
    assert_refused(sohoa("migrate", other, "--batch", "box-17"), "stands for another folder", "choose another --batch")
    assert count(clean, "pipeline.receipt") == 0


def test_an_unknown_facility_is_refused(sohoa, box, clean):
    assert_refused(sohoa("migrate", box, "--facility", "NOWHERE"), "'NOWHERE' is not known")
    assert count(clean, "pipeline.batch") == count(clean, "pipeline.receipt") == 0


def test_a_result_in_a_folder_that_does_not_exist_is_refused(sohoa, box, tmp_path, clean):
    assert_refused(sohoa("migrate", box, "--json", tmp_path / "no" / "r.json"), "no/r.json", "folder that exists")
    assert count(clean, "pipeline.batch") == 0


def test_a_result_that_is_a_folder_is_refused_before_the_work_begins(sohoa, box, tmp_path, clean):
    put(box, "nhan.pdf", b"")
    assert_refused(sohoa("migrate", box, "--json", tmp_path), str(tmp_path))
    assert count(clean, "pipeline.batch") == 0


def test_words_that_are_no_option_are_refused(sohoa, box):
    for arguments in (["migrate"], ["migrate", box, "--workers", "-1"], ["migrate", box, "--file-boundary", "shelf"]):
        code, out, error = sohoa(*arguments)
        assert (code, out) == (2, "") and "Error" in error


def outside(tmp_path: Path, *arguments: object, **variables: str) -> tuple[int, str, str]:
    """The command in a process of its own, with a home of its own."""
    environment = os.environ | {"SOHOA_HOME": str(tmp_path / "home")} | variables
    done = subprocess.run([SOHOA, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, " ".join(done.stdout.split()), " ".join(done.stderr.split())


def test_a_database_that_does_not_answer_is_named_without_its_password(box, tmp_path):
    url = "postgresql://officer:s3cret@127.0.0.1:9/emr"
    for arguments in (["migrate", box], ["status"]):
        answer = outside(tmp_path, *arguments, SOHOA_DATABASE_URL=url)
        assert_refused(answer, "127.0.0.1:9/emr does not answer", "SOHOA_DATABASE_URL")
        assert "s3cret" not in answer[2]
    assert not (tmp_path / "home" / "store").exists()


@pytest.mark.parametrize("url", ["somewhere", "mysql://a@b/c"])
def test_an_address_that_is_no_postgresql_database_is_refused(box, tmp_path, url):
    assert_refused(outside(tmp_path, "migrate", box, SOHOA_DATABASE_URL=url), "SOHOA_DATABASE_URL")


def test_a_missing_language_of_tesseract_is_named_with_its_package(box, tmp_path, session_home, clean):
    empty = tmp_path / "tessdata"
    empty.mkdir()
    answer = outside(tmp_path, "migrate", box, TESSDATA_PREFIX=str(empty), SOHOA_HOME=str(session_home))
    assert_refused(answer, "'vie'", "apt-get install tesseract-ocr-vie")
    assert count(clean, "pipeline.batch") == 0


def test_a_setting_that_cannot_be_used_is_named(box, tmp_path):
    assert_refused(outside(tmp_path, "migrate", box, SOHOA_WORKERS="many"), "SOHOA_WORKERS")


def test_a_home_that_cannot_be_made_is_named(box, tmp_path):
    home = str(box / "nhan.pdf" / "home")
    assert_refused(outside(tmp_path, "migrate", box, SOHOA_HOME=home), home.rpartition("/")[0])


# Status and verify.


@pytest.fixture
def taken_in(box, clean):
    """A batch whose three pages are in the ledger."""
    steps.receive(wanted_batch(box, "box-17"))
    return "box-17"


def change(engine, statement: str) -> None:
    """As somebody would who writes into the tables past every trigger."""
    with engine.begin() as conn:
        conn.execute(text("SET LOCAL session_replication_role = replica"))
        conn.execute(text(statement))


def test_status_of_nothing_balances(sohoa):
    assert sohoa("status")[0] == 0


def test_status_counts_the_pages_of_a_batch(sohoa, taken_in):
    code, out, _ = sohoa("status")
    assert code == 0 and "The ledger balances." in out
    told = json.loads(sohoa("status", "--json")[1])
    assert told == {"batches": {taken_in: {"received": 3}}, "balanced": True, "faults": []}
    assert json.loads(sohoa("batch", "list", "--json")[1]) == [{"batch": taken_in, "received": 3}]


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE pipeline.page SET state = 'loaded' WHERE number = 2",
        "DELETE FROM pipeline.page WHERE number = 3",
        "UPDATE pipeline.page SET state = 'duplicate', duplicate_of = 'nobody' WHERE number = 1",
        "UPDATE pipeline.page SET number = 9 WHERE number = 1",
    ],
)
def test_status_ends_with_1_when_a_page_was_tampered_with(sohoa, taken_in, clean, tampering):
    change(clean, tampering)
    code, out, _ = sohoa("status")
    assert code == 1 and "The ledger does not balance." in out and taken_in in out
    told = json.loads(sohoa("status", "--json")[1])
    assert not told["balanced"] and told["faults"]
    code, _, error = sohoa("verify")
    assert code == 1 and taken_in in error


def test_verify_finds_a_flipped_byte_in_the_store(sohoa, taken_in, clean, settings):
    assert sohoa("verify") == (0, "1 originals re-hashed; all is sound.", "")
    with clean.connect() as conn:
        scan_id = conn.scalar(text("SELECT scan_id FROM pipeline.scan"))
    (path,) = [p for p in (settings.home / "store").rglob(scan_id) if p.is_file()]
    sound = path.read_bytes()
    try:
        path.write_bytes(sound[:500] + bytes([sound[500] ^ 1]) + sound[501:])
        code, out, error = sohoa("verify")
        assert code == 1 and "1 faults" in out and scan_id in error and "restore it from the backup" in error
        path.unlink()
        code, out, error = sohoa("verify", "--json")
        assert code == 1 and "missing from the store" in json.loads(out)["faults"][0]
    finally:
        path.write_bytes(sound)
    assert sohoa("verify")[0] == 0


# The other commands: once well, once badly.


def test_a_target_is_added_once_and_listed(sohoa):
    target = ("target", "add", "y2026", "--name", "Hồ sơ 2019", "--deadline", "2026-12-31", "--legal-basis", "TT 13")
    assert sohoa(*target)[:2] == (0, "Target y2026 stands, due 2026-12-31.")
    assert sohoa(*target)[0] == 0
    (told,) = json.loads(sohoa("target", "list", "--json")[1])
    assert (told["target_id"], told["name"], told["deadline"]) == ("y2026", "Hồ sơ 2019", "2026-12-31")
    assert_refused(sohoa(*target[:-1], "another basis"), "exists with other particulars")


@pytest.mark.parametrize("day", ["31/12/2026", "2026-02-30", "soon", ""])
def test_a_deadline_that_is_no_day_is_refused(sohoa, clean, day):
    answer = sohoa("target", "add", "y2026", "--name", "n", "--deadline", day, "--legal-basis", "b")
    assert_refused(answer, f"'{day}' is not a day", "2026-12-31")
    assert count(clean, "pipeline.target") == 0


def test_a_decision_is_entered_once(sohoa, clean):
    decision = ("decision", "add", "d1", "--number", "123/QĐ-BV", "--signed-on", "2026-01-31")
    assert sohoa(*decision)[:2] == (0, "Decision 123/QĐ-BV of 2026-01-31 stands.")
    assert sohoa(*decision)[0] == 0 and count(clean, "pipeline.decision") == 1
    assert_refused(sohoa("decision", "add", "d 2", "--number", "1", "--signed-on", "2026-01-31"), "cannot be")
    assert_refused(sohoa("decision", "add", "d2", "--number", "1", "--signed-on", "January"), "is not a day")


def test_a_decisions_number_is_printed_as_it_was_given(sohoa):
    code, out, _ = sohoa("decision", "add", "d1", "--number", "12[/QĐ]", "--signed-on", "2026-01-31")
    assert (code, out) == (0, "Decision 12[/QĐ] of 2026-01-31 stands.")


def test_a_registry_is_loaded_and_its_missing_files_are_named(sohoa, tmp_path):
    put(tmp_path, "registry.csv", REGISTRY.encode())
    assert sohoa("registry", "load", tmp_path / "registry.csv")[:2] == (0, "1 patients, 1 stays; 2 rows written.")
    assert "0 rows written" in sohoa("registry", "load", tmp_path / "registry.csv")[1]
    (missing,) = json.loads(sohoa("registry", "missing", "--json")[1])
    assert missing["encounter_number"] == "19.013225"


def test_a_registry_that_is_not_there_or_cannot_be_read_is_refused(sohoa, tmp_path, clean):
    assert_refused(sohoa("registry", "load", tmp_path / "registry.csv"), "There is no registry file")
    put(tmp_path, "registry.csv", b"\x00\xff\xfe")
    assert_refused(sohoa("registry", "load", tmp_path / "registry.csv"), "registry.csv")
    put(tmp_path, "registry.csv", REGISTRY.encode())
    assert_refused(sohoa("registry", "load", tmp_path / "registry.csv", "--facility", "NOWHERE"), "'NOWHERE'")
    assert count(clean, "pipeline.registry_patient") == 0


def test_headings_that_nobody_reads_are_printed_as_they_are(sohoa, tmp_path):
    head, line, _ = REGISTRY.split("\n")
    put(tmp_path, "registry.csv", f"{head},Ghi chú [/mới]\n{line},x\n".encode())
    code, out, _ = sohoa("registry", "load", tmp_path / "registry.csv")
    assert code == 0 and "Ghi chú [/mới]" in out


def test_a_batch_is_created_once_and_listed(sohoa, box, clean):
    for _ in range(2):
        assert sohoa("batch", "create", box, "--batch", "box-17") == (0, "box-17", "")
    assert json.loads(sohoa("batch", "list", "--json")[1]) == [{"batch": "box-17"}]
    code, default, _ = sohoa("batch", "create", box)
    assert code == 0 and default == wanted_batch(box).batch_id


def test_the_id_of_a_new_batch_is_one_word_however_long(sohoa, box):
    assert sohoa("batch", "create", box, "--batch", "x" * 120) == (0, "x" * 120, "")


def test_a_batch_of_a_folder_that_does_not_exist_is_not_created(sohoa, tmp_path, clean):
    assert_refused(sohoa("batch", "create", tmp_path / "nowhere"), "is not a folder")
    assert count(clean, "pipeline.batch") == 0


def test_codes_that_cannot_be_read_are_refused(sohoa, tmp_path):
    assert_refused(sohoa("codes", "load", tmp_path / "icd10.csv"), "cannot be read")
    put(tmp_path, "icd10.csv", b"code,name\nA00,Cholera\n")
    assert_refused(sohoa("codes", "load", tmp_path / "icd10.csv"), "has no column")


def test_files_that_were_put_aside_are_shown_by_their_whole_name(box, clean):
    put(box, "trang [cũ].pdf", b"")
    steps.receive(wanted_batch(box, "box-17"))
    shown = Console(width=300)
    with shown.capture() as printed:
        print_batch(shown, "box-17")
    assert "trang [cũ].pdf" in printed.get()
