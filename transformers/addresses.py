"""Stage 6, transformers.addresses: an address as it was written becomes its units, and beside them those since 2025.

Resolution 202/2025/QH15 left 34 provinces of 63 and no districts from 2025-07-01. What was written stays as it is; the
present unit is told only where the list names one ward, and offline.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from records.base import Frozen
from records.code_lists import of_lists, rows
from transformers.text import clean, folded

REFORM = "2025-07-01"
KINDS = {
    "p": "phuong", "x": "xa", "tt": "thi tran", "q": "quan", "h": "huyen", "tx": "thi xa", "tp": "thanh pho",
    "t": "tinh",
}  # fmt: skip
_KIND = re.compile(
    r"(phuong|thi tran|thi xa|thanh pho|dac khu|quan|huyen|tinh|xa|tt|tx|tp|p|q|h|x|t)(?:\.\s?|\s)(?=\S)"
)


class Address(Frozen):
    """`detail`: house, street, hamlet. `era`: before or since the reform, '' where no listed ward was found.

    `ward_now`, `province_now`: the units since 2025-07-01; the ward is '' where the old one went into several.
    """

    written: str
    detail: str = ""
    ward: str = ""
    district: str = ""
    province: str = ""
    era: str = ""
    ward_now: str = ""
    province_now: str = ""


def parse_address(text: str) -> Address:
    """'Số 3, Phường Phúc Xá, Quận Ba Đình, Hà Nội' -> its units, and 'Phường Hồng Hà', 'Thành phố Hà Nội' as of now."""
    parts = [part.strip() for part in re.split(r"[,;]", clean(text)) if part.strip()]
    if not parts or (province := _bare(parts[-1])) not in _provinces():
        return Address(written=text, detail=", ".join(parts))
    rest, named = parts[:-1], _provinces()[province]
    for at in range(len(rest) - 1, -1, -1):
        if found := _ward(province, rest[at], rest[at + 1 :]):
            return _located(text, rest[:at], found)
    return Address(written=text, detail=", ".join(rest), province=named, province_now=_now(named))


def with_listed_units(text: str) -> str:
    """'Xã Phồn Xương, Huyện Yên Thể, Tỉnh Bắc Giang' -> '..., Huyện Yên Thế, ...': marks as the list has them, where
    it has one ward of those letters in that district, or one such district."""
    found, parts = parse_address(text), text.split(",")
    district = found.district or _district(found.province, parts[-2] if len(parts) > 1 else "")
    units = [unit for unit in (found.ward, district, found.province) if unit]
    if not district and not found.ward:
        return text
    for at, unit in zip(range(len(parts) - len(units), len(parts)), units, strict=True):
        parts[at] = _with_marks(parts[at], unit)
    return ",".join(parts)


def _district(province: str, part: str) -> str:
    """The district of a province that a part names, '' where none or several have its letters."""
    named = _districts().get((_bare(province), _bare(part)), ())
    return named[0] if len(named) == 1 else ""


def _with_marks(part: str, unit: str) -> str:
    """' Huyện Yên Thể' and 'Huyện Yên Thế' -> ' Huyện Yên Thế'; the part as it is where its letters are others."""
    words, listed = part.split(" "), unit.split(" ")
    count = len(_bare(unit).split(" "))
    name, known = words[-count:], listed[-count:]
    return " ".join([*words[:-count], *known]) if folded(" ".join(name)) == folded(" ".join(known)) else part


def _ward(province: str, part: str, behind: Sequence[str]) -> dict[str, str] | None:
    """The listed ward that a part names, with the district behind it or, since the reform, with none."""
    district = _bare(behind[0]) if behind else ""
    listed = [row for row in _wards().get((province, _bare(part)), ()) if _bare(row["district"]) == district]
    found = [row for row in listed if _kind(part) in ("", _kind(row["name"]))]
    found = [row for row in found if row["name"].casefold().endswith(part.casefold())] or found
    return found[0] if len(found) == 1 and len(behind) <= 1 else None


def _located(text: str, detail: Sequence[str], row: dict[str, str]) -> Address:
    old, after = bool(row["valid_to"]), row["successor"].split(";")
    return Address(
        written=text, detail=", ".join(detail), ward=row["name"], district=row["district"], province=row["province"],
        era="before" if old else "since", ward_now=(after[0] if len(after) == 1 else "") if old else row["name"],
        province_now=_now(row["province"]) if old else row["province"],
    )  # fmt: skip


def _now(province: str) -> str:
    """The province, as it is called in full, into which a province went."""
    return _present().get(_bare(province), "")


@of_lists
def _wards() -> dict[tuple[str, str], list[dict[str, str]]]:
    """(province, ward), both without kind and marks -> the wards of that name, of both eras."""
    found = defaultdict(list)
    for row in rows("wards"):
        found[_bare(row["province"]), _bare(row["name"])].append(row)
    return dict(found)


@of_lists
def _districts() -> dict[tuple[str, str], list[str]]:
    """(province, district), both without kind and marks -> the districts of that name."""
    found = defaultdict(list)
    for province, district in sorted({(row["province"], row["district"]) for row in rows("wards") if row["district"]}):
        found[_bare(province), _bare(district)].append(district)
    return dict(found)


@of_lists
def _provinces() -> dict[str, str]:
    """Name without kind and marks -> as it is called in full; present names win."""
    return {_bare(row["province"]): row["province"] for row in rows("wards")}


@of_lists
def _present() -> dict[str, str]:
    """Name without kind and marks, of either era -> the present province as it is called in full."""
    now = {_bare(row["province"]): row["province"] for row in rows("wards") if row["valid_from"] >= REFORM}
    went = {_bare(row["name"]): _bare(row["successor"]) for row in rows("provinces") if row["successor"]}
    return now | {old: now.get(new, "") for old, new in went.items()}


@lru_cache(maxsize=1 << 15)  # the listed units; addresses of patients pass through
def _bare(unit: str) -> str:
    """'TP. Hồ Chí Minh' -> 'ho chi minh', 'Quận 3' -> '3'."""
    text = folded(clean(unit))
    kind = _KIND.match(text)
    return text[kind.end() if kind else 0 :].replace("-", " ")


def _kind(unit: str) -> str:
    """'P. 5' -> 'phuong'; '' where none is written."""
    found = _KIND.match(folded(clean(unit)))
    return KINDS.get(found[1], found[1]) if found else ""
