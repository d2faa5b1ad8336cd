"""What burnt-in text says of a film: labels or none, most frames, sides, and films of two people."""

import numpy as np
import pytest

from extractors.film_fields import find_film_fields, frames_of, is_marker, places_of, tells
from extractors.films import Lie, how_it_lies, markers, mirrored_back
from records.pages import Box, Line, PageImage, PageText, Word
from transformers.parsers import PARSERS

HIGH = 20


def line(text, left=100.0, top=100.0, high=HIGH, sure=0.99):
    """A line of words, each letter half as wide as it is high."""
    words, x = [], left
    for word in text.split():
        wide = len(word) * high / 2
        words.append(Word(text=word, confidence=sure, box=Box(left=x, top=top, right=x + wide, bottom=top + high)))
        x += wide + high / 2
    return Line(words=tuple(words))


def page(*lines):
    lines = [one if isinstance(one, Line) else line(one, top=100 + 40 * i) for i, one in enumerate(lines)]
    return PageText(page_id="p", engine="t", lines=tuple(lines))


def values(text):
    """Each field's normal form; '' where it has none."""
    found = {}
    for one, _ in find_film_fields(places_of(text)):
        try:
            found[one.field] = PARSERS[one.kind](one.raw)
        except ValueError:
            found[one.field] = ""
    return found


WORDINGS = {
    "no labels": ("NGUYỄN THỊ MẪU", "14003728", "1961 F", "BV MẪU", "03-Feb-2019", "CT", "120 kV 220 mA"),
    "Vietnamese": (
        "Họ tên: NGUYỄN THỊ MẪU",
        "Mã BN: 14003728",
        "NS: 1961 Nữ",
        "Ngày chụp: 03/02/2019",
        "CT Acc: 19021",
    ),
    "English": ("Name: NGUYỄN THỊ MẪU", "PID: 14003728", "DOB: 1961 Sex: F", "Study Date: 03.02.2019", "Modality: CT"),
    "DICOM": ("NGUYỄN^THỊ^MẪU", "ID 14003728", "2019/02/03", "CT", "Se: 3", "Born 1961"),
}


@pytest.mark.parametrize("wording", WORDINGS)
def test_any_wording_says_whose_film_it_is_and_when_it_was_taken(wording):
    told = values(page(*WORDINGS[wording]))
    assert told["patient.name"] == "NGUYỄN THỊ MẪU" and told["patient.id"] == "14003728"
    assert (told["film.taken_on"], told["film.modality"]) == ("2019-02-03", "CT")
    assert told.get("patient.birth_date", "1961") == "1961"


def test_the_hospital_and_the_hour_are_nobodys_name_or_number():
    assert values(page("BENH VIEN MAU", "10:25:31", "W: 400 L: 40", "TR 3650 TE 15")) == {}


def sheet(rows, columns, *frame):
    """The same lines in every frame of a sheet."""
    return [
        line(text, 100 + 700 * x, 100 + 700 * y + 30 * i)
        for y in range(rows)
        for x in range(columns)
        for i, text in enumerate(frame)
    ]


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (4, 4), (5, 3), (1, 1), (1, 2)])
def test_frames_are_counted_by_what_stands_in_each(rows, columns):
    assert frames_of(places_of(page(*sheet(rows, columns, "LE THI CUC", "14003728")))) == (rows, columns)


def test_frames_are_counted_though_some_could_not_be_read():
    read = sheet(4, 3, "LE THI CUC", "14003728")
    assert frames_of(places_of(page(*read[:5], *read[8:]))) == (4, 3)


def test_what_most_frames_say_counts_and_the_others_are_told():
    lines = sheet(2, 2, "LE THI CUC", "14003728")[:-1]
    ((found, told),) = [
        one
        for one in find_film_fields(places_of(page(*lines, line("14003729", 800, 830, sure=0.4))))
        if one[0].kind == "identifier"
    ]
    assert found.raw == "14003728" and "14003729" in told


def test_a_letter_by_itself_tells_the_side_of_an_xray_when_it_is_larger_than_the_lines():
    lines = [line("LE THI CUC"), line("14003728", top=140), line("CR", top=180)]
    assert values(page(*lines, line("P", 900, 600, 60)))["film.laterality"] == "R"
    assert values(page(*lines, line("T", 900, 600, 60)))["film.laterality"] == "L"
    assert "film.laterality" not in values(page(*lines, line("L", 900, 600)))
    assert "film.laterality" not in values(page(*lines[:2], line("CT", top=180), line("L", 900, 600, 60)))


def test_a_film_of_two_people_is_nobodys():
    names = [*sheet(1, 2, "LE THI CUC", "14003728"), *sheet(1, 2, "TRAN VAN BINH", "21205974")]
    told = values(page(*names))
    assert told == {"patient.name": ""}
    one = [*sheet(1, 2, "LE THI CUC", "14003728"), *sheet(1, 2, "LE THI CUG", "14003728")]
    assert values(page(*one))["patient.name"] == "LE THI CUC"


@pytest.mark.parametrize("text", ["Ngày chụp: 03/02/2019", "BV MẪU", "LE THI CUC", "PID: 14003728"])
def test_a_line_that_makes_sense_is_told_from_its_mirror_image(text):
    assert tells(text) and not tells("".join(reversed(text)).replace(":", ""))


@pytest.mark.parametrize(("text", "is_one"), [("L", True), ("(R)", True), ("P", True), ("I", False), ("LR", False)])
def test_letters_that_tell_a_side(text, is_one):
    assert is_marker(text) is is_one


# How a film lies.


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_how_a_film_lies_is_told_by_the_way_in_which_its_lines_read_best(turn, mirrored):
    upright = np.full((400, 600), 255, np.uint8)
    upright[40:60, 40:300], upright[40:60, 40:60] = 0, 100  # a line with its beginning marked
    upright[30:36, 40:60] = 0  # and its upper side
    laid = np.ascontiguousarray(np.rot90(upright[:, ::-1] if mirrored else upright, turn // 90))
    ys, xs = np.nonzero(laid < 255)
    box = Box(left=xs.min(), top=ys.min(), right=xs.max() + 1, bottom=ys.max() + 1)

    def read(crops):
        return [float((c[:6, :20] == 0).mean() + (c[10:30, :20] == 100).mean()) for c in crops]

    assert how_it_lies(laid, [box], read) == Lie(turn, mirrored)


def test_a_box_on_a_mirrored_film_is_where_it_is_in_the_file():
    upright = PageImage(
        page_id="p", turn=0, skew_degrees=0, width_px=1000, height_px=500, file_width_px=1000, file_height_px=500,
        to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=150, ink=0.1, blank=False,
    )  # fmt: skip
    image = mirrored_back(upright, 0)
    box = image.in_file(Box(left=100, top=50, right=300, bottom=100))
    assert (box.left, box.right, box.top, box.bottom) == pytest.approx((0.7, 0.9, 0.1, 0.2))
    assert image.mirrored


def test_a_large_letter_is_found_beside_the_lines_and_bones_are_not():
    film = np.full((900, 900), 255, np.uint8)
    film[100:160, 700:712], film[148:160, 700:735] = 0, 0  # an L
    film[300:880, 200:320] = 0  # a bone
    (box,) = markers(film, [Box(left=20, top=20, right=300, bottom=40)])
    assert box.left < 700 < 735 < box.right and box.top < 100 < 160 < box.bottom
