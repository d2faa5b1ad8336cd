"""The children: a page that kills, hangs or swallows memory costs itself only."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.children import Workers
from pipeline.settings import Settings
from records.errors import SohoaError, UnreadableScan


@pytest.fixture
def short(tmp_path, monkeypatch):
    import pipeline.children

    monkeypatch.setattr(pipeline.children, "START_SECONDS", 20)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    return Settings(home=tmp_path, page_seconds=8, page_memory_mb=512)


def work(item):
    """What a child does, by the item's name."""
    return JOBS.get(item, lambda: f"read {item}")()


def swallow_memory():
    return len(bytearray(600 << 20))


def refuse_page():
    raise UnreadableScan("page_unreadable", "why")


def broken_system():
    raise SohoaError("Tesseract has no Vietnamese; install tesseract-ocr-vie.")


def unexpected():
    raise RuntimeError("Nguyen Van A")


JOBS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hangs": lambda: time.sleep(60),
    "swallows": swallow_memory,
    "refused": refuse_page,
    "broken": broken_system,
    "unexpected": unexpected,
    "leaves a child": lambda: subprocess.Popen(["sleep", "60"]).pid,
    "pid": os.getpid,
    "threads": lambda: os.environ["OMP_THREAD_LIMIT"],
}


def outcomes(short, items, count=2):
    with Workers(count, short) as workers:
        return dict(workers.map(work, items))


@pytest.mark.slow
def test_one_bad_page_never_costs_its_siblings(short, capfd):
    good = [f"page {number}" for number in range(20)]
    found = outcomes(
        short, [*good[:5], "killed", *good[5:9], "hangs", *good[9:14], "swallows", "unexpected", *good[14:]]
    )
    assert [found[name] for name in good] == [f"read {name}" for name in good]
    for bad in ("killed", "hangs", "swallows", "unexpected"):
        assert isinstance(found[bad], UnreadableScan) and found[bad].code == "reading_failed", bad
    assert found["hangs"].detail == "not done in 8 s"
    assert found["swallows"].detail == found["unexpected"].detail == "its process ended with 1"
    assert "Nguyen" not in capfd.readouterr().err


def test_a_page_that_is_refused_keeps_its_code_and_its_child(short):
    with Workers(1, short) as workers:
        (_, before), (_, refused), (_, after) = workers.map(work, ["pid", "refused", "pid"])
    assert (refused.code, refused.detail) == ("page_unreadable", "why")
    assert before == after != os.getpid()


def test_a_broken_system_stops_the_run_instead_of_putting_every_page_aside(short):
    with pytest.raises(SohoaError, match="no Vietnamese") as caught:
        outcomes(short, ["broken", "page"])
    assert not isinstance(caught.value, UnreadableScan)


def test_children_are_reused_and_replaced_after_their_share(short, monkeypatch):
    import pipeline.children

    monkeypatch.setattr(pipeline.children, "ITEMS_PER_CHILD", 3)
    with Workers(1, short) as workers:
        pids = [pid for _, pid in workers.map(work, ["pid"] * 7)]
    assert [len(set(pids[n : n + 3])) for n in (0, 3, 6)] == [1, 1, 1] and len(set(pids)) == 3


def test_a_child_killed_while_idle_is_replaced(short):
    with Workers(1, short) as workers:
        ((_, pid),) = workers.map(work, ["pid"])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        ((_, result),) = workers.map(work, ["page"])
    assert result == "read page"


def test_items_are_taken_one_by_one_and_children_end_with_the_workers(short):
    taken = []

    def items():
        for number in range(10):
            taken.append(number)
            yield f"page {number}"

    workers = Workers(1, short)
    results = workers.map(work, items())
    next(results)
    assert len(taken) <= 2
    child = workers._children[0].process
    results.close()
    workers.close()
    assert child.poll() is not None


def test_large_pages_pass_in_both_directions(short):
    with Workers(2, short) as workers:
        results = dict(workers.map(len, [b"x" * 30_000_000, b"y" * 20_000_000]))
    assert sorted(results.values()) == [20_000_000, 30_000_000]


def test_a_reader_works_with_one_thread(short):
    assert outcomes(short, ["threads"])["threads"] == "1"


def test_children_end_when_their_parent_is_killed(short):
    code = (
        "import sys, os; sys.path[:0] = sys.argv[1:]\n"
        "from test_children import work; from pipeline.children import Workers\n"
        "from pipeline.settings import Settings\n"
        "w = Workers(1, Settings())\n"
        "print(list(w.map(work, ['pid']))[0][1], flush=True)\n"
        "sys.stdin.read()"
    )
    here = os.path.dirname(__file__)
    parent = subprocess.Popen(
        [sys.executable, "-c", code, here, os.path.dirname(here)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until = time.monotonic() + 5
    while alive(child) and time.monotonic() < until:
        time.sleep(0.1)
    assert not alive(child)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
