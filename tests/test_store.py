"""The store: what was handed in comes back unchanged or not at all, and lies encrypted."""

import hashlib
import threading

import pytest

from pipeline.settings import Settings
from pipeline.store import Store
from records.errors import SohoaError

PAGE = b"Nguyen Van A, ung thu phoi " * 40


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("SOHOA_STORE_KEY", raising=False)
    return Settings(home=tmp_path / "home")


def object_of(home, scan_id):
    return home.home / "store" / scan_id[:2] / scan_id[2:4] / scan_id


def test_what_is_put_comes_back_and_lies_encrypted_for_one_user_only(home):
    store = Store(home)
    scan_id = store.put(PAGE)
    assert scan_id == hashlib.sha256(PAGE).hexdigest()
    assert store.get(scan_id) == PAGE and store.has(scan_id) and list(store.scan_ids()) == [scan_id]
    path = object_of(home, scan_id)
    assert b"Nguyen" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    assert (home.home / "secrets" / "store.key").stat().st_mode & 0o777 == 0o600


def test_the_same_bytes_are_written_once(home):
    store = Store(home)
    path = object_of(home, store.put(PAGE))
    before = path.stat().st_ino, path.stat().st_mtime_ns
    assert Store(home).put(PAGE) == path.name
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before


@pytest.mark.parametrize("where", [0, 10, 30, -1])
def test_one_changed_byte_is_never_given_out_and_the_same_bytes_mend_it(home, where):
    store = Store(home)
    scan_id = store.put(PAGE)
    sealed = bytearray(object_of(home, scan_id).read_bytes())
    sealed[where] ^= 1
    object_of(home, scan_id).write_bytes(sealed)
    with pytest.raises(SohoaError, match="differs from what was handed in"):
        store.get(scan_id)
    store.put(PAGE)
    assert store.get(scan_id) == PAGE


def test_an_object_in_the_place_of_another_is_not_given_out(home):
    store = Store(home)
    first, second = store.put(PAGE), store.put(b"another")
    object_of(home, first).write_bytes(object_of(home, second).read_bytes())
    with pytest.raises(SohoaError, match="differs"):
        store.get(first)


def test_a_missing_original_and_a_wrong_id_are_said_in_a_sentence(home):
    with pytest.raises(SohoaError, match="missing from the store"):
        Store(home).get("0" * 64)
    with pytest.raises(SohoaError, match="not a scan id"):
        Store(home).get("../../secrets/store.key")


def test_a_wrong_or_lost_key_never_passes_for_damage(home, monkeypatch):
    scan_id = Store(home).put(PAGE)
    monkeypatch.setenv("SOHOA_STORE_KEY", "A" * 43 + "=")
    with pytest.raises(SohoaError, match="key does not open the store"):
        Store(home)
    monkeypatch.setenv("SOHOA_STORE_KEY", "short")
    with pytest.raises(SohoaError, match="base64"):
        Store(home)
    monkeypatch.delenv("SOHOA_STORE_KEY")
    assert Store(home).get(scan_id) == PAGE
    (home.home / "secrets" / "store.key").unlink()
    with pytest.raises(SohoaError, match="its key .* is missing"):
        Store(home)


def test_an_interrupted_write_leaves_no_object(home, monkeypatch):
    store = Store(home)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SohoaError, match="cannot be written"):
        store.put(PAGE)
    assert list(store.scan_ids()) == [] and not list((home.home / "store").glob("??/??/.*"))


def test_many_may_put_the_same_bytes_at_once_into_a_new_store(home):
    found = []
    threads = [threading.Thread(target=lambda: found.append(Store(home).put(PAGE))) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == [hashlib.sha256(PAGE).hexdigest()] * 6
    assert Store(home).get(found[0]) == PAGE
