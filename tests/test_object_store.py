"""The store in object storage, as S3 is spoken: the same promises as on this machine's disk."""

import os
import shutil

import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import text

from pipeline import inbox, steps
from pipeline import settings as settings_module
from pipeline.migrate import wanted_batch
from pipeline.object_store import objects_at
from pipeline.settings import Settings
from pipeline.store import Store
from records.errors import SohoaError
from tests.test_steps import put

PAGE = b"Nguyen Van A, ung thu phoi " * 40
URL = "s3://hospital/sohoa"


@pytest.fixture(scope="module")
def service():
    """An S3 on this machine with a bucket; its address."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    patch = pytest.MonkeyPatch()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    reach = {"AWS_ENDPOINT_URL": address, "AWS_MAX_ATTEMPTS": "1", "NO_PROXY": "127.0.0.1"}
    for name, value in (keys | reach).items():
        patch.setenv(name, value)
    import fsspec

    fsspec.filesystem("s3").mkdir("hospital")
    yield server
    server.stop()
    patch.undo()


@pytest.fixture
def home(tmp_path, service):
    return Settings(home=tmp_path / "home", store_url=URL)


@pytest.fixture
def bare(service):
    """What the service holds, past the store."""
    import fsspec

    fs = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    for path in fs.find("hospital"):
        fs.rm_file(path)
    return fs


def test_what_is_put_comes_back_and_what_leaves_the_machine_is_sealed(home, bare):
    store = Store(home)
    scan_id = store.put(PAGE)
    assert store.get(scan_id) == PAGE and store.has(scan_id) and list(store.scan_ids()) == [scan_id]
    lying = {path: bare.cat_file(path) for path in bare.find("hospital")}
    assert sorted(path.rpartition("/")[2] for path in lying) == sorted([scan_id, "key.check"])
    assert not any(b"Nguyen" in data for data in lying.values())
    assert not (home.home / "store").exists()


def test_a_changed_byte_is_never_given_out_and_the_same_bytes_mend_it(home, bare):
    store = Store(home)
    scan_id = store.put(PAGE)
    path = f"hospital/sohoa/{scan_id[:2]}/{scan_id[2:4]}/{scan_id}"
    bare.pipe_file(path, bare.cat_file(path)[:-1] + b"?")
    with pytest.raises(SohoaError, match="differs from what was handed in"):
        store.get(scan_id)
    store.put(PAGE)
    assert store.get(scan_id) == PAGE


def test_what_is_missing_and_what_another_key_sealed_is_said(home, bare, tmp_path):
    with pytest.raises(SohoaError, match="missing from the store"):
        Store(home).get("0" * 64)
    assert not Store(home).has("0" * 64)
    with pytest.raises(SohoaError, match="key does not open the store s3://hospital/sohoa"):
        Store(Settings(home=tmp_path / "another", store_url=URL))


def test_a_service_that_is_away_is_a_sentence_and_nothing_is_lost(home, bare, monkeypatch):
    store = Store(home)

    def away(*_, **__):
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(store._objects._fs, "pipe_file", away)
    with pytest.raises(SohoaError, match=r"cannot be written \(the service does not answer"):
        store.put(PAGE)
    monkeypatch.undo()
    assert store.get(store.put(PAGE)) == PAGE


def test_a_bucket_that_is_not_there_is_a_sentence(tmp_path, service):
    with pytest.raises(SohoaError, match="cannot be (read|written)"):
        Store(Settings(home=tmp_path, store_url="s3://nowhere/sohoa")).put(PAGE)


def test_a_batch_is_received_and_read_from_it(clean, settings, service, bare, tmp_path, monkeypatch):
    monkeypatch.setenv("SOHOA_STORE_URL", URL)
    settings_module.settings.cache_clear()
    try:
        folder = tmp_path / "box"
        put(folder, "nhan.pdf", "born_digital.pdf", 1)
        steps.receive(wanted_batch(folder, "box-s3"))
        assert steps.extract(steps.waiting("box-s3")) == 1
    finally:
        monkeypatch.undo()
        settings_module.settings.cache_clear()
        settings_module.settings()
    assert len(bare.find("hospital")) == 2


def test_a_box_that_arrives_elsewhere_is_copied_whole_and_entered_once(clean, settings, bare, monkeypatch):
    chosen = settings.model_copy(update={"inbox": "s3://hospital/in"})
    monkeypatch.setattr(inbox, "settings", lambda: chosen)
    bare.pipe_file("hospital/in/KHO-9/a/1.pdf", b"one")
    assert inbox.register() == ([], [])  # it has not arrived
    for path, data in {"KHO-9/2.pdf": b"two", "KHO-9/.done": b"", "KHO 8/.done": b"", "KHO 8/1.pdf": b"x"}.items():
        bare.pipe_file(f"hospital/in/{path}", data)
    entered, refused = inbox.register()
    assert entered == ["KHO-9"] and "'KHO 8' cannot name a batch" in refused[0]
    folder = settings.home / "inbox" / "KHO-9"
    assert {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.pdf")} == {
        "a/1.pdf": b"one",
        "2.pdf": b"two",
    }
    with clean.connect() as conn:
        assert conn.scalar(text("SELECT folder FROM pipeline.batch")) == str(folder)
    assert inbox.register()[0] == [] and sorted(os.listdir(folder.parent)) == ["KHO-9"]
    shutil.rmtree(folder.parent)


def test_a_folder_that_machines_share_is_one_too(tmp_path):
    shared = objects_at(f"file://{tmp_path}/shared", tmp_path / "own")
    shared.write("ab/cd/abcd", b"x")
    assert list(shared.names()) == ["ab/cd/abcd"] and (tmp_path / "shared/ab/cd/abcd").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "own").exists() and os.listdir(tmp_path) == ["shared"]
