"""Stage 3: pages by the neural reader, which witness a value is shown to, and what is said when a model is missing.

Reading is held to stored ceilings of its error rate, measured on these lines with a little slack.
"""

import logging
import shutil
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rapidfuzz.distance import Levenshtein

sys.path[:0] = [str(Path(__file__).parent)]

from builders import LINES, alter_a_byte, cut_short, drawn, in_colour, page_image, remove  # noqa: E402

from extractors import language, models, neural, writing  # noqa: E402
from extractors.images import CleanPage, upright  # noqa: E402
from extractors.neural import FoundLines, NeuralReader, neural_reader  # noqa: E402
from extractors.ocr import TesseractReader  # noqa: E402
from extractors.reader import Character, LineText, greedy, own_reader  # noqa: E402
from extractors.readers import ValueText, make_reader  # noqa: E402
from extractors.rows import page_to_rows  # noqa: E402
from records.errors import SohoaError  # noqa: E402
from records.pages import Box, PageText  # noqa: E402

SIZE = (2400, 1100)
CEILING = 0.015  # share of letters that are wrong, at most; a wrong letter of these lines is 0.0044
ROWS = tuple(" ".join(line.split()) for line in LINES)


@pytest.fixture(scope="module")
def reader():
    return neural_reader()


def worn(page):
    """The page after a coarse copier: half its sharpness, grainy."""
    coarse = Image.fromarray(page).resize((SIZE[0] // 2, SIZE[1] // 2)).resize(SIZE)
    grain = np.random.default_rng(3).normal(0, 28, page.shape)
    return (np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)


def opened(reader, page):
    clean = upright("p", in_colour(page), 290, lambda _: 0, reader.long_side)
    return reader.open(clean), clean.image.height_px


def rows_of(lines):
    return [row.text for row in page_to_rows(PageText(page_id="p", engine="e", lines=tuple(lines)))]


# Reading a page.


@pytest.mark.parametrize(
    "page",
    [
        drawn(LINES, SIZE, letters=46),
        drawn(LINES, SIZE, letters=46, grey=110),
        drawn(LINES, SIZE, letters=34),
        worn(drawn(LINES, SIZE, letters=46)),
    ],
    ids=["clean", "grey", "small", "worn"],
)
def test_print_is_read_within_its_ceiling_and_from_top_to_bottom(reader, page):
    read = rows_of(opened(reader, page)[0].lines(0.0, 2.0))
    wrong = sum(Levenshtein.distance(wanted, got) for wanted, got in zip(ROWS, read, strict=True))
    assert wrong / sum(map(len, ROWS)) <= CEILING, read


def test_lines_come_from_top_to_bottom_with_their_columns_apart(reader):
    lines = opened(reader, drawn(LINES, SIZE, letters=46))[0].lines(0.0, 2.0)
    assert [line.text.split()[0] for line in lines if line.box.left < 300] == [row.split()[0] for row in ROWS]
    assert {"Giới tính: Nữ", "Mã ICD-10: C50.9", "Hemoglobin 130 g/L"} <= {line.text for line in lines}


def test_every_word_stands_on_its_ink(reader):
    page = drawn(LINES, SIZE, letters=46)
    words = [w for line in opened(reader, page)[0].lines(0.0, 2.0) for w in line.words]
    assert len(words) == sum(len(row.split()) for row in ROWS)
    for word in words:
        ink = page[int(word.box.top) : int(word.box.bottom), int(word.box.left) : int(word.box.right)] < 150
        assert ink.any(0)[[0, -1]].all() and ink.any(1)[[0, -1]].all(), word
        assert 0 < word.confidence <= 1


class Counts:
    """A line reader that reads the same in every crop and counts what it was shown."""

    def __init__(self, sure=0.9):
        self.shown, self.sure = [], sure

    def read(self, crops):
        self.shown += crops
        return [LineText((Character("x", self.sure, 0.0, float(c.shape[1])),), self.sure) for c in crops]


class Looks:
    """A line finder that remembers how much of the page it was shown, in rows of pixels."""

    def __init__(self, finder):
        self.finder, self.rows = finder, []

    def find(self, image, long_side):
        self.rows.append(len(image))
        return self.finder.find(image, long_side)


@pytest.mark.parametrize("cut", [0.2, 0.24, 0.27, 0.31, 0.34, 0.38])
def test_wherever_a_page_is_cut_each_line_is_read_once_and_only_where_asked(reader, cut):
    page = drawn(["Một", "hai", "ba", "bốn", "năm"] * 5, (1200, 1700), letters=26)
    own, finder = Counts(), Looks(reader.finder)
    opened = FoundLines(own, finder, CleanPage(page_image(), page, page, ()))
    upper = opened.lines(0.0, cut)
    assert len(own.shown) == len(upper) and finder.rows[0] < 1700 * cut + 80
    lower = opened.lines(cut, 2.0)
    tops = [line.box.top for line in (*upper, *lower)]
    assert len(tops) == 25 and tops == sorted(tops) and min(np.diff(tops)) > 20


def test_a_crop_without_ink_reads_as_nothing(reader):
    page = np.full((200, 600), 255, np.uint8)
    assert reader.read_crop(page, Box(left=10, top=10, right=500, bottom=100)) == ("", 0.0)


def test_a_cell_is_read_wherever_its_ink_stands_in_it(reader):
    page = drawn(["12,5"], (900, 300), letters=50)
    text, sure = reader.read_crop(page, Box(left=20, top=60, right=880, bottom=260))
    assert text == "12,5" and sure > 0.5


# Which way up.


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_turn_of_a_page_is_found(reader, turn):
    page = drawn([*LINES, *LINES], (1240, 1754), letters=26)
    assert reader.turn(np.ascontiguousarray(np.rot90(page, turn // 90))) == turn


def test_an_empty_page_is_not_turned_and_nobody_is_asked(reader, monkeypatch):
    monkeypatch.setattr(neural, "osd_turn", lambda page: pytest.fail("asked"))
    assert reader.turn(np.full((1754, 1240), 255, np.uint8)) == 0


class Finds:
    """A line finder that sees the same boxes on every page."""

    def __init__(self, *boxes):
        self.boxes = list(boxes)

    def find(self, image, long_side=0):
        return self.boxes


ACROSS, ALONG = Box(left=60, top=100, right=700, bottom=180), Box(left=100, top=60, right=180, bottom=700)


class Prefers:
    """A line reader that is surer of some lines as they lie, shown first, or of those lines upside down."""

    def __init__(self, as_it_lies, overturned):
        self.sure, self.shown = cycle([as_it_lies, overturned]), []

    def read(self, crops):
        self.shown.append(len(crops))
        return Counts(next(self.sure)).read(crops)


def turned(monkeypatch, line, own, told):
    """The turn of a page on which one line of ink was found, and how often Tesseract was asked about it."""
    page, asked = np.full((800, 800), 255, np.uint8), []
    page[int(line.top) + 20 : int(line.bottom) - 20, int(line.left) + 20 : int(line.right) - 20] = 0

    def osd_turn(shown):
        asked.append(shown is page)
        return told

    monkeypatch.setattr(neural, "osd_turn", osd_turn)
    return NeuralReader(Finds(line), NamedReader(own)).turn(page), asked


class NamedReader:
    """A line reader with the name that a page's reader takes from it."""

    name = "own 1"

    def __init__(self, inner):
        self.read = inner.read


@pytest.mark.parametrize(("sure", "shown"), [((0.9, 0.5), [2, 2]), ((0.5, 0.9), [2, 2]), ((0.7, 0.6), [2, 2, 6, 6])])
def test_few_lines_tell_the_turn_where_one_way_up_is_plainly_more_legible(sure, shown):
    own, lines = Prefers(*sure), [ACROSS.model_copy(update={"top": t, "bottom": t + 80.0}) for t in range(0, 800, 100)]
    page = np.full((800, 800), 255, np.uint8)
    for line in lines:
        page[int(line.top) + 20 : int(line.bottom) - 20, 60:700] = 0
    assert NeuralReader(Finds(*lines), NamedReader(own)).turn(page) == (0 if sure[0] > sure[1] else 180)
    assert own.shown == shown


@pytest.mark.parametrize(("line", "told"), [(ACROSS, 0), (ACROSS, 180), (ALONG, 90), (ALONG, 270)])
def test_where_both_ways_up_read_alike_tesseract_is_asked(monkeypatch, line, told):
    assert turned(monkeypatch, line, Prefers(0.70, 0.72), told) == (told, [True])


@pytest.mark.parametrize(("line", "told"), [(ACROSS, 90), (ACROSS, None), (ALONG, 180), (ALONG, None)])
def test_what_tesseract_says_against_the_shape_of_the_lines_does_not_count(monkeypatch, line, told):
    side = 0 if line is ACROSS else 90
    assert turned(monkeypatch, line, Prefers(0.72, 0.70), told) == (side, [True])
    assert turned(monkeypatch, line, Prefers(0.70, 0.72), told) == (side + 180, [True])


@pytest.mark.parametrize("line", [ACROSS, ALONG])
def test_where_one_way_up_reads_clearly_better_nobody_is_asked(monkeypatch, line):
    side = 0 if line is ACROSS else 90
    assert turned(monkeypatch, line, Prefers(0.9, 0.6), side + 180) == (side, [])
    assert turned(monkeypatch, line, Prefers(0.6, 0.9), side) == (side + 180, [])


# A value read again by itself. Row i of a page stands in ink of the grey level 20 * i, by which it is known again.

LETTERS = "abcdefghijklmnopqrstuvwxyzVPảáổốồ0123456789.,: /"
RAW = 10  # added to the ink of the page that still has its rulings


def value_page(rows):
    """(page, place of each row): strokes instead of letters, since the readers here are told what to say."""
    text = np.full((60 + 100 * rows, 600), 255, np.uint8)
    for i in range(rows):
        text[40 + 100 * i : 80 + 100 * i, 50:550:7] = 20 * i
    gray = np.where(text < 255, text + RAW, text).astype(np.uint8)
    places = [Box(left=45, top=35 + 100 * i, right=555, bottom=85 + 100 * i) for i in range(rows)]
    return CleanPage(page_image(), gray, text, ()), places


def row_of(crop):
    return int(crop.min()) // 20


def columns_of(text, sure):
    """Probabilities [columns, classes] of a text; '{ab}' stands for an 'a' that may as well be a 'b'."""
    columns, options = [], iter(text)
    for c in options:
        both = (next(options), next(options), next(options))[:2] if c == "{" else (c,)
        column = np.full(1 + len(LETTERS), 1e-6, np.float32)
        for letter, share in zip(both, (sure,) if len(both) == 1 else (0.55, 0.45), strict=True):
            column[1 + LETTERS.index(letter)] = share
        blank = np.full_like(column, 1e-6)
        blank[0] = 0.999
        columns += [column, blank]
    return np.array(columns or [blank_column()], np.float32)


def blank_column():
    column = np.full(1 + len(LETTERS), 1e-6, np.float32)
    column[0] = 0.999
    return column


class LineSays:
    """A line reader that says a given text for each row, and remembers which rows it was shown."""

    name, alphabet = "own 1", LETTERS

    def __init__(self, *texts, sure=0.999):
        self.texts, self.sure, self.shown, self.raw = texts, sure, [], []

    def scores(self, crops):
        for crop in crops:
            (self.raw if crop.min() % 20 == RAW else self.shown).append(row_of(crop))
        return [columns_of(self.texts[row_of(crop)], self.sure) for crop in crops]

    def line(self, scores, crop):
        found = [Character(LETTERS[c - 1], p, 4.0 * a, 4.0 * b + 4) for c, p, a, b in greedy(scores)]
        return LineText(tuple(found), float(np.prod([c.probability for c in found])) if found else 0.0)


class TesseractSays:
    """Tesseract, as far as a value is concerned."""

    def __init__(self, *texts):
        self.texts = texts

    def read_crop(self, image, box, lines=1):
        return self.texts[row_of(image[int(box.top) : int(box.bottom)])], 0.9


class Witnesses:
    """A neural reader among readers that are told what to say, one text per row of the value."""

    def __init__(self, own, seen, digits=("7",) * 3, aster=("x",) * 3, sure=0.999):
        self.own, self.digits, self.aster = LineSays(*own, sure=sure), LineSays(*digits), LineSays(*aster)
        self.reader = NeuralReader(Finds(), self.own)
        self.reader._tesseract, self.reader._digits, self.reader._aster = TesseractSays(*seen), self.digits, self.aster
        self.page, self.places = value_page(len(own))

    def read(self, kind, first):
        return self.reader.read_value(self.page, self.places, kind, ValueText(first, 0.6))


@pytest.mark.parametrize("kind", ["number", "person_name", "date", "insurance_card"])
def test_a_value_that_tesseract_reads_as_the_line_had_it_is_shown_to_nobody_else(kind):
    asked = Witnesses(own=["zz"], seen=["12.5 "])
    assert asked.read(kind, "12.5") == ValueText("12.5", 0.6, ("12.5",))
    assert asked.own.shown == asked.own.raw == asked.digits.shown == asked.aster.shown == []


def test_a_text_is_read_again_even_where_tesseract_agrees_and_no_third_is_asked():
    asked = Witnesses(own=["phổi"], seen=["phổi"])
    read = asked.read("text", "phổi")
    assert (read.text, read.others) == ("phổi", ("phổi",)) and read.confidence > 0.9
    assert (asked.own.shown, asked.own.raw, asked.aster.shown) == ([0], [], [])


@pytest.mark.parametrize("kind", ["number", "integer", "phone", "insurance_card", "icd10", "identifier"])
def test_figures_that_tesseract_reads_otherwise_are_shown_to_the_reader_of_digits(kind):
    asked = Witnesses(own=["12.5"], seen=["12.8"], digits=["12.6"])
    assert asked.read(kind, "12.5").others == ("12.8", "12.6")
    assert (asked.digits.shown, asked.aster.shown) == ([0], [])


@pytest.mark.parametrize("kind", ["text", "long_text", "person_name", "address", "drug"])
def test_words_that_tesseract_reads_otherwise_are_shown_to_asterocr(kind):
    asked = Witnesses(own=["phổi"], seen=["phoi"], aster=["phồi"])
    assert asked.read(kind, "phổi").others == ("phoi", "phồi")
    assert (asked.digits.shown, asked.aster.shown) == ([], [0])


def test_of_a_value_of_three_rows_only_the_doubtful_one_is_shown_to_the_third_reader():
    asked = Witnesses(own=["mot", "hai", "ba"], seen=["mot", "hoi", "Ba."], aster=["a", "hei", "c"])
    read = asked.read("person_name", "mot hai ba")
    assert asked.aster.shown == [1]
    assert (read.text, read.others) == ("mot hai ba", ("mot hoi Ba.", "mot hei ba"))


HESITANT = "Viêm ph{ốổ}i".replace("ê", "e")


@pytest.mark.parametrize("kind", ["text", "long_text", "department", "outcome"])
def test_a_tone_mark_in_hospital_language_is_chosen_by_its_words(kind):
    assert Witnesses(own=[HESITANT], seen=["0"]).read(kind, "?").text == "Viem phổi"


@pytest.mark.parametrize("kind", ["person_name", "identifier", "icd10", "number", "address", "insurance_card"])
def test_names_codes_and_numbers_are_read_letter_by_letter(monkeypatch, kind):
    monkeypatch.setattr(neural, "text_by_language", lambda *_: pytest.fail("the language was asked"))
    asked = Witnesses(own=[HESITANT], seen=["0"])
    assert asked.read(kind, "?").text == "Viem phối"
    assert asked.digits.shown + asked.aster.shown == [0], "neither by itself nor for its witness"


@pytest.mark.parametrize("kind", ["number", "text"])
def test_a_second_reading_that_finds_nothing_leaves_the_line_its_text(kind):
    asked = Witnesses(own=[""], seen=["12,8"])
    read = asked.read(kind, "12,5")
    assert (read.text, read.confidence) == ("12,5", 0.6)
    assert read.others[0] == "12,8"


@pytest.mark.parametrize(
    ("first", "sure", "raw"), [("12,5", 0.999, []), ("12,6", 0.999, [0]), ("12,5", 0.9, [0])],
    ids=["alike and sure", "other", "unsure"],
)  # fmt: skip
def test_the_page_with_its_rulings_is_looked_at_too_where_the_second_reading_differs_or_is_unsure(first, sure, raw):
    asked = Witnesses(own=["12,5"], seen=["?"], sure=sure)
    assert asked.read("number", first).text == "12,5"
    assert (asked.own.shown, asked.own.raw) == ([0], raw)


# Models that are missing.

WITNESSES = (models.ASTERNET, models.DETECTOR, models.DIGITS)


@pytest.fixture
def borrowed(tmp_path, monkeypatch):
    """A folder with copies of all borrowed models, taken for the environment's own."""
    for model in WITNESSES:
        (metadata,) = models.BORROWED.glob(f"{model.distribution}-*.dist-info")
        shutil.copytree(metadata, tmp_path / metadata.name, dirs_exist_ok=True)
        (tmp_path / model.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(models.BORROWED / model.file, tmp_path / model.file)
    for function in (models.open_borrowed, models.check_borrowed):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    return tmp_path


def test_the_neural_reader_opens_with_all_its_models_there(borrowed):
    assert make_reader("neural").name == make_reader("auto").name == neural_reader().own.name


@pytest.mark.parametrize("model", WITNESSES, ids=["asterocr", "finder", "digits"])
@pytest.mark.parametrize("damage", [remove, alter_a_byte, cut_short])
def test_a_missing_or_damaged_model_is_told_before_any_page_is_read(borrowed, model, damage):
    damage(borrowed / model.file)
    with pytest.raises(SohoaError) as told:
        make_reader("neural")
    assert str(borrowed / model.file) in str(told.value)
    assert str(told.value).endswith("delete the folder it lies in and run ./run setup.")


@pytest.mark.parametrize("model", WITNESSES, ids=["asterocr", "finder", "digits"])
def test_a_wheel_that_was_never_unpacked_is_told_with_how_to_get_it(borrowed, model):
    (metadata,) = borrowed.glob(f"{model.distribution}-*.dist-info")
    shutil.rmtree(metadata)
    with pytest.raises(SohoaError, match=r"; run \./run setup\.$"):
        make_reader("neural")


def test_where_a_model_is_missing_auto_reads_by_tesseract_and_says_why(borrowed, caplog):
    remove(borrowed / models.DIGITS.file)
    with caplog.at_level(logging.WARNING, logger="extractors.readers"):
        assert isinstance(make_reader("auto"), TesseractReader)
    (told,) = caplog.records
    assert told.levelname == "WARNING" and str(borrowed / models.DIGITS.file) in told.getMessage()


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    """The folder from which our own models are taken, a copy."""
    folder = Path(shutil.copytree(models.OWN, tmp_path / "model"))
    cached = language.hospital_language, writing.writing_detector
    for function in (own_reader, *(function.__wrapped__ for function in cached)):
        monkeypatch.setattr(function, "__defaults__", (folder,))
    for function in cached:
        function.cache_clear()
    yield folder
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize("file", ["reader.json", "writing.onnx", "writing.json", "language.tsv.gz", "language.json"])
def test_a_damaged_file_of_our_own_is_told_before_any_page_is_read(own_models, file):
    cut_short(own_models / file)
    with pytest.raises(SohoaError) as told:
        make_reader("neural")
    assert str(own_models / file) in str(told.value)
    assert str(told.value).endswith("restore it from the repository.")
    assert isinstance(make_reader("auto"), TesseractReader)


def test_tesseract_alone_needs_no_model(borrowed):
    shutil.rmtree(borrowed)
    assert isinstance(make_reader("tesseract"), TesseractReader)
