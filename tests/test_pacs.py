"""Films sent to Orthanc: sent again, cut off, linked, corrected; and what the EMR says of where they are.

Debian's Orthanc listens on every address whatever it is told, so that it and those who speak to it are in a network
namespace of their own, which has a loopback interface and nothing else.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from loaders import dicom, tables
from pipeline import database
from pipeline.tables import page
from tests.film_samples import load_film, stored_film
from tests.test_migrate import may_unshare

ORTHANC = "/usr/sbin/Orthanc"
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
ROOT = Path(__file__).resolve().parents[1]
WEB, DIMSE = "http://127.0.0.1:8042/dicom-web", "dicom://ORTHANC@127.0.0.1:4242"

pytestmark = [
    pytest.mark.all,
    pytest.mark.skipif(not may_unshare(), reason="this user may not make a network namespace"),
    pytest.mark.skipif(
        not (Path(ORTHANC).exists() and Path(PLUGIN).exists() and shutil.which("findscu")),
        reason="needs orthanc, orthanc-dicomweb and dcmtk",
    ),
]


class Orthanc:
    """A PACS in its own network namespace, with its data in `folder`."""

    def __init__(self, folder):
        self.config = folder / "orthanc.json"
        self.config.write_text(
            json.dumps(
                {
                    "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"), "HttpPort": 8042,
                    "DicomPort": 4242, "DicomAet": "ORTHANC", "DefaultEncoding": "Utf8", "Plugins": [PLUGIN],
                    "AuthenticationEnabled": False, "RemoteAccessAllowed": True, "DicomAlwaysAllowGet": True,
                    "DicomAlwaysAllowFind": True, "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
                }
            )
        )  # fmt: skip
        # One process holds the namespace, so that Orthanc can die and come again in it.
        up = "ip link set lo up && echo up && exec sleep 1000"
        self.space = subprocess.Popen(["unshare", "-n", "sh", "-c", up], stdout=subprocess.PIPE)
        assert self.space.stdout.readline()
        self.start()

    def start(self):
        self.server = subprocess.Popen(self.within(ORTHANC, str(self.config)), stderr=subprocess.DEVNULL)
        for _ in range(200):
            if self.curl("/system"):
                return
            time.sleep(0.1)
        raise AssertionError("Orthanc does not start")

    def within(self, *command):
        return ["nsenter", "-t", str(self.space.pid), "-n", *command]

    def curl(self, path):
        code = f"import httpx; print(httpx.get('http://127.0.0.1:8042{path}').text)"
        done = subprocess.run(self.within(sys.executable, "-c", code), capture_output=True, text=True)
        return done.stdout

    def instances(self):
        return int(json.loads(self.curl("/statistics"))["CountInstances"])

    def sohoa(self, home, *command, start=subprocess.run, **options):
        env = os.environ | {"SOHOA_HOME": str(home)}
        whole = self.within(str(Path(sys.executable).parent / "sohoa"), *command)
        return start(whole, env=env, text=True, cwd=ROOT, **options)

    def send(self, home, url, batch="box-1"):
        return self.sohoa(home, "send", "pacs", url, "--batch", batch, capture_output=True)

    def kill(self):
        self.server.kill()
        self.server.wait()

    def end(self):
        self.kill()
        self.space.kill()
        self.space.wait()


@pytest.fixture
def orthanc(tmp_path):
    own = tmp_path / "orthanc"
    own.mkdir()
    server = Orthanc(own)
    yield server
    server.end()


@pytest.fixture
def films(clean, settings, store, batch):
    """Three films in the EMR: (page, values) each."""
    with clean.begin() as conn:
        taken = [stored_film(conn, store, batch, number) for number in (0, 1, 3)]
        scans = dict(conn.execute(select(page.c.page_id, page.c.scan_id)).all())
    found = [(page_id, film.values | {"film.accession": f"A{at}"}) for at, (page_id, film) in enumerate(taken)]
    with database.engine(settings, "loader").begin() as conn:
        for page_id, values in found:
            load_film(conn, batch, page_id, scans[page_id], values)
    return found


def shown(settings):
    """page -> where the EMR says that it is to be had, and the study of its row."""
    study, reference = tables.imaging_study.c, tables.document_reference.c
    with database.engine(settings, "loader").connect() as conn:
        rows = conn.execute(
            select(reference.page_id, reference.retrieve_url, study.study_uid).join(
                tables.imaging_study, study.document_id == reference.document_id
            )
        )
        return {row.page_id: (row.retrieve_url, row.study_uid) for row in rows}


@pytest.mark.parametrize("url", [WEB, DIMSE])
def test_films_sent_and_sent_again_are_there_once_and_found_by_their_names(orthanc, films, settings, url):
    first, second = orthanc.send(settings.home, url), orthanc.send(settings.home, url)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "3 films sent and given back" in first.stdout and "0 films sent and given back, 3 stood" in second.stdout
    assert orthanc.instances() == 3
    names = {dicom.person_name(values["patient.name"]) for _, values in films}
    found = orthanc.curl("/dicom-web/studies?includefield=PatientName")
    assert {study["00100010"]["Value"][0]["Alphabetic"] for study in json.loads(found)} == names
    asked = ["findscu", "-S", "-aec", "ORTHANC", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName"]
    said = subprocess.run(orthanc.within(*asked, "127.0.0.1", "4242"), capture_output=True)
    assert all(name.encode() in said.stdout + said.stderr for name in names)
    for page_id, (at, study) in shown(settings).items():
        assert at.startswith(f"{url}/studies/{study}/series/"), page_id


def test_a_pacs_killed_in_the_middle_loses_and_doubles_nothing(orthanc, films, settings):
    sending = orthanc.sohoa(
        settings.home, "send", "pacs", WEB, "--batch", "box-1",
        start=subprocess.Popen, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not orthanc.instances():
        time.sleep(0.05)
    orthanc.kill()
    out, told = sending.communicate(timeout=120)
    assert sending.returncode == 1 and "send again when it is up" in told, out + told
    assert None in [at for at, _ in shown(settings).values()]
    orthanc.start()
    again = orthanc.send(settings.home, WEB)
    assert again.returncode == 0 and orthanc.instances() == 3, again.stdout + again.stderr
    assert None not in [at for at, _ in shown(settings).values()]


def test_a_pacs_that_is_away_is_told_and_its_films_wait(orthanc, films, settings):
    orthanc.kill()
    for url in (WEB, DIMSE):
        done = orthanc.send(settings.home, url)
        assert done.returncode == 1 and "3 left" in done.stdout
        assert done.stderr.count("send again when it is up") == 3
    with database.engine(settings, "loader").connect() as conn:
        assert set(conn.scalars(select(tables.film_instance.c.state))) <= {"offered"}


def test_a_film_whose_digital_original_is_there_is_linked_and_not_sent(orthanc, films, settings, tmp_path):
    (_, values), original = films[1], "1.2.840.99999.7"
    give = (
        "import sys, numpy; from datetime import datetime; from loaders import dicom, pacs\n"
        f"who = {{'patient_id': '1', 'identifier': {values['patient.id']!r}, 'name': 'A B'}}\n"
        f"study = {{'modality': 'DX', 'taken_on': {values['film.taken_on']!r}}}\n"
        "about = dicom.Film('x', 1, who, {'encounter_id': 'e'}, study, 'H', datetime.now())\n"
        "made = dicom.instance_of(numpy.zeros((64, 64), 'uint16'), about, sys.argv[1])\n"
        f"pacs.open_pacs({WEB!r}).store(made)"
    )
    subprocess.run(orthanc.within(sys.executable, "-c", give, original), cwd=ROOT, check=True)
    done = orthanc.send(settings.home, WEB)
    assert "2 films sent and given back, 0 stood, 1 linked" in done.stdout, done.stdout + done.stderr
    assert orthanc.instances() == 3
    assert shown(settings)[films[1][0]] == (f"{WEB}/studies/{original}", original)
    assert "0 films sent and given back, 3 stood, 0 linked" in orthanc.send(settings.home, WEB).stdout
    with database.engine(settings, "loader").begin() as conn:
        named = tables.patient.c.identifier == values["patient.id"]
        conn.execute(update(tables.patient).where(named).values(name="NGUYỄN THỊ ĐÚNG"))
    again = orthanc.send(settings.home, WEB)
    assert "2 stood, 1 linked" in again.stdout and "remove it there" not in again.stderr


def test_a_film_whose_patient_was_corrected_is_sent_anew_and_the_old_one_is_named(orthanc, films, settings):
    orthanc.send(settings.home, WEB)
    page_id, values = films[0]
    with database.engine(settings, "loader").begin() as conn:
        old = conn.scalar(select(tables.film_instance.c.sop_uid).where(tables.film_instance.c.page_id == page_id))
        named = tables.patient.c.identifier == values["patient.id"]
        conn.execute(update(tables.patient).where(named).values(name="NGUYỄN THỊ ĐÚNG"))
    done = orthanc.send(settings.home, WEB)
    assert "1 films sent and given back, 2 stood" in done.stdout
    assert f"still holds {old}; remove it there" in " ".join(done.stderr.split())
    assert orthanc.instances() == 4


def test_the_films_of_a_batch_are_written_as_files(films, settings, tmp_path, orthanc):
    done = orthanc.sohoa(
        settings.home, "export", "dicom", "--batch", "box-1", "--out", str(tmp_path / "out"), capture_output=True
    )
    assert done.returncode == 0 and len(list((tmp_path / "out").glob("*.dcm"))) == 3, done.stderr
