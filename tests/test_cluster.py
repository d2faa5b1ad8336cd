"""Two Celery workers in their own network namespaces, one of them killed in mid-batch: nothing is lost or doubled."""

import os
import shutil

import pytest

from bench.cluster import Fault, measure


@pytest.mark.all
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("redis-server") or not shutil.which("ip"),
    reason="needs root, redis-server and iproute2",
)
def test_a_killed_workers_pages_are_read_by_the_other(settings):
    run = measure(2, 32, 4, Fault.WORKER)
    assert (run.state, run.lost, run.doubled) == ("success", 0, 0)
    assert run.after_kill < 120 + 32 * 3  # the work of all pages by one slow worker
