"""In the bench, bench.home: a home of the product's own for one measurement, with its database, gone afterwards."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from pipeline import database
from pipeline.settings import settings


@contextmanager
def home_of_its_own() -> Iterator[Engine]:
    """Settings and database of a new empty home; the engine of that database."""
    before = os.environ.get("SOHOA_HOME")
    with tempfile.TemporaryDirectory(prefix="sohoa-bench-") as home:
        os.environ["SOHOA_HOME"] = home
        settings.cache_clear()
        try:
            database.migrate(settings())
            yield database.engine(settings())
        finally:
            database.stop(settings())
            os.environ.pop("SOHOA_HOME")
            os.environ |= {"SOHOA_HOME": before} if before else {}
            settings.cache_clear()
