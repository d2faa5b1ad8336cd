"""Training: texts are NFC and in the alphabet, lines come out as the network takes them, a run ends with a model."""

import csv
import subprocess
import sys
import unicodedata
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # training is no part of the installed product

from extractors import reader  # noqa: E402
from training import alphabet, fonts, lines, pages, phrases, texts  # noqa: E402

PYTHON = ROOT / ".venv-train" / "bin" / "python"
NOWHERE = Path("no-such-list.csv")


@pytest.fixture(scope="module")
def sources():
    return texts.load_sources(icd10=NOWHERE)


@pytest.fixture(scope="module")
def face():
    path = next(iter(Path("/usr/share/fonts").rglob("Tinos-Regular.ttf")))
    return fonts.Face("Tinos", path, "print", 1, False, "Apache-2.0", frozenset(alphabet.CHARACTERS))


def test_the_alphabet_has_252_classes_each_one_nfc_character():
    assert alphabet.CLASSES == 252
    assert len(set(alphabet.CHARACTERS)) == 251
    assert all(unicodedata.normalize("NFC", c) == c and len(c) == 1 for c in alphabet.CHARACTERS)
    assert len(alphabet.LETTERS) == 146
    assert set("ộỆẴđĐỵµ²³≤≥°") <= set(alphabet.CHARACTERS)


def test_every_generated_text_is_nfc_readable_and_short_enough(sources):
    rng = Random(7)
    for _ in range(3000):
        text = texts.make_text(rng, sources)
        assert 1 <= len(text) <= texts.LONGEST
        assert text == unicodedata.normalize("NFC", text) == text.strip()
        assert alphabet.is_readable(text)


def test_the_shares_of_texts_add_up_and_each_has_a_maker():
    assert sum(texts.SHARES.values()) == 100
    assert set(texts.SHARES) == set(texts.MAKERS)


def test_generated_texts_hold_every_vietnamese_letter_and_sign(sources):
    rng = Random(1)
    seen = set().union(*(texts.make_text(rng, sources) for _ in range(20000)))
    assert set(alphabet.CHARACTERS) - seen == set()


def test_a_text_source_in_another_normal_form_is_refused_by_name(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("tốt\n" + unicodedata.normalize("NFD", "tốt\n"), encoding="utf-8")
    with pytest.raises(texts.BadSource, match=r"sentences\.txt, line 2: not in Unicode NFC"):
        texts.checked_lines(path)


def test_classes_and_texts_go_both_ways_with_repeats_kept_apart_by_a_blank():
    classes = alphabet.to_classes("Ổ 11")
    assert alphabet.to_text([0, classes[0], classes[0], 0, *classes[1:3], 0, classes[3]]) == "Ổ 11"
    with pytest.raises(ValueError, match=r"U\+4E2D"):
        alphabet.to_classes("a中")


@pytest.mark.parametrize(
    ("rime", "marked"),
    [("oan", "a"), ("ươn", "ơ"), ("ai", "a"), ("oai", "a"), ("uyên", "ê"), ("iêu", "ê"), ("an", "a")],
)
def test_the_tone_stands_on_the_right_vowel(rime, marked):
    assert rime[phrases.tone_place(rime, Random(0))] == marked


def test_a_line_is_32_high_and_dark_on_light(sources, face):
    generator = lines.Generator(sources, [face])
    for i in range(60):
        sample = generator.line(f"test/{i}")
        ready = reader.to_input(sample.crop)
        assert ready.shape[:2] == (1, 32)
        assert ready.shape[2] >= reader.MIN_WIDTH
        assert ready.min() >= 0 and ready.max() <= 1
        assert np.median(ready) < 0.5


def test_the_same_seed_draws_the_same_line(sources, face):
    first, again = (lines.Generator(sources, [face]).line("seed/3") for _ in range(2))
    assert first.text == again.text and first.quality == again.quality
    assert np.array_equal(first.crop, again.crop)


def test_a_batch_is_as_wide_as_its_widest_line_and_a_multiple_of_four():
    batch = reader.stack([np.ones((1, 32, 41), np.float32), np.ones((1, 32, 90), np.float32)])
    assert batch.shape == (2, 1, 32, 92)
    assert batch[0, 0, :, 41:].max() == 0


def test_a_face_without_a_vietnamese_letter_is_refused_by_name(face, tmp_path):
    font = TTFont(face.path)
    for table in font["cmap"].tables:
        table.cmap.pop(ord("ộ"), None)
    font.save(tmp_path / "poor.ttf")
    fonts._system_index.cache_clear()
    fonts._system_index()["poor.ttf"] = tmp_path / "poor.ttf"
    row = {
        "name": "Poor",
        "source": "debian",
        "file": "poor.ttf",
        "kind": "print",
        "weight": "1",
        "use": "train",
        "licence": "?",
    }
    with pytest.raises(fonts.BadFace, match="Poor lacks 'ộ'"):
        fonts._checked(row)


def test_the_list_has_enough_faces_and_keeps_some_to_measure_on():
    with fonts.LIST.open(encoding="utf-8", newline="") as file:
        faces = list(csv.DictReader(file))
    trained = [f["kind"] for f in faces if f["use"] == "train"]
    assert len([k for k in trained if k != "hand"]) >= 80
    assert trained.count("hand") >= 30
    assert {f["kind"] for f in faces if f["use"] == "measure"} == {"print", "mono", "hand"}
    families = {
        use: {
            f["file"].rsplit("-", 2)[0]
            for f in faces
            if f["use"] == use and f["source"] == "web" and f["kind"] == "hand"
        }
        for use in ("train", "measure")
    }
    assert not families["train"] & families["measure"]
    assert all(f["licence"] for f in faces)


def test_a_high_narrow_box_holds_two_lines_and_a_skewed_long_one_holds_one():
    assert pages.wrapped_lines(width=202, height=129, usual=50, characters=14) == 2
    assert pages.wrapped_lines(width=1003, height=82, usual=36, characters=44) == 1


@pytest.mark.all
def test_a_short_run_trains_exports_and_evaluates_and_the_seed_fixes_the_losses(tmp_path):
    if not PYTHON.exists():
        pytest.skip("no .venv-train: training/make_env.sh makes it (PyTorch, about 1 GB)")
    losses = []
    for name in ("first", "again"):
        _train(tmp_path / name, "--max-steps", "12", "--train-only")
        losses.append([row["loss"] for row in _log(tmp_path / name) if row["loss"]])
    assert len(losses[0]) == 12
    assert losses[0] == losses[1]

    newest = max((tmp_path / "first").glob("checkpoint-*.pt"))
    (tmp_path / "first" / "checkpoint-99999999.pt").write_bytes(newest.read_bytes()[:-100])
    said = _train(tmp_path / "first", "--resume", "--max-steps", "14")
    assert "checkpoint-99999999.pt is damaged" in said
    assert f"Going on from {newest.name}" in said
    assert [row["step"] for row in _log(tmp_path / "first")][-1] == "14"
    made = {path.name for path in (tmp_path / "first" / "export").iterdir()}
    assert {"reader.onnx", "reader.json", "reader.weights.npz", "evaluation.json", "MODEL_CARD.md"} <= made
    assert (tmp_path / "first" / "report.html").exists()


def _train(folder, *more):
    command = [PYTHON, "-m", "training", "train", "--hours", "1", "--processes", "1", "--folder", folder, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def _log(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))
