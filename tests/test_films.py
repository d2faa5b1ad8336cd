"""Films read by the real reader and migrated: how they lie, what they say, and what is never accepted."""

import os
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from sqlalchemy import select, text

from extractors.intake import decode_page, inspect
from extractors.limits import Limits
from extractors.page import read_image
from pipeline.migrate import migrate_folder, wanted_batch
from pipeline.tables import field_value
from records.document_types import document_types
from tests.conftest import empty
from transformers.parsers import PARSERS

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "sample_scans")]
from films import make_film  # noqa: E402

pytestmark = pytest.mark.slow
LIMITS = Limits()


@pytest.mark.parametrize("number", [0, 2, 3, 9])
def test_a_film_is_laid_right_and_read_however_it_was_scanned(number):
    film, form = make_film(number), document_types()["film"]
    media_type, _ = inspect(film.data, f"x.{film.suffix}", LIMITS)
    rgb, dpi = decode_page(film.data, media_type, 1, LIMITS)
    found = read_image("p", rgb, dpi, media_type, "neural")
    assert (found.document_type, found.image.turn, found.image.mirrored) == ("film", film.turn, film.mirrored)
    assert found.image.frames == film.grid
    values = {r.field: PARSERS[form.field(r.field).kind](r.raw) for r in found.readings}
    assert {field: values.get(field) for field in film.values} == film.values


@pytest.fixture(scope="module")
def migrated(engine, tmp_path_factory):
    """Two films that read well, one of two people and one on which nothing is written; page states by file."""
    empty(engine)
    folder = tmp_path_factory.mktemp("films")
    for number in (1, 2):
        film = make_film(number)
        (folder / f"film_{number}.{film.suffix}").write_bytes(film.data)
    one, other = (Image.open(BytesIO(make_film(number).data)).convert("L") for number in (2, 12))
    pair = np.hstack([np.asarray(one), np.asarray(other.resize(one.size))])
    Image.fromarray(pair).save(folder / "two.png")
    dark = np.full((1200, 1000), 12, np.uint8)
    dark[300:900, 400:600] = 120
    Image.fromarray(dark).save(folder / "silent.png")
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)
    migrate_folder(wanted_batch(folder, "films"), 2, Console(quiet=True))
    return engine


def test_a_side_is_never_accepted_without_a_person(migrated):
    with migrated.connect() as conn:
        rows = conn.execute(select(field_value).where(field_value.c.field == "film.laterality")).mappings().all()
    assert {row["verdict"] for row in rows} == {"review"} and len(rows) >= 2


def test_a_film_of_two_people_or_of_none_waits_for_an_officer_and_enters_no_file(migrated):
    with migrated.connect() as conn:
        query = "SELECT r.path, p.state FROM pipeline.page p JOIN pipeline.receipt r USING (receipt_id)"
        states = dict(conn.execute(text(query)).all())
        shown = conn.scalars(text("SELECT r.path FROM emr.document_reference d JOIN pipeline.page p USING (page_id) "
                                  "JOIN pipeline.receipt r USING (receipt_id)")).all()  # fmt: skip
    assert {states["two.png"], states["silent.png"]} == {"in_review"}
    assert not {"two.png", "silent.png"} & set(shown)
