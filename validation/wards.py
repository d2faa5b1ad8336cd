"""Stage 7, validation.wards: whether the units an address ends with are listed, with the very marks they have there."""

from records.code_lists import entries, of_lists, rows


def names_a_listed_ward(address: str) -> bool:
    """'Số 3, P. Phúc Xá, Quận Ba Đình, Hà Nội'; since 2025-07-01, without districts, with the ward's kind in full."""
    parts = [part.strip() for part in address.split(",")]
    units = tuple(map(_name, parts))
    return units[-3:] in _listed() or (*parts[-2:-1], "", *units[-1:]) in _listed()


@of_lists
def _listed() -> frozenset[tuple[str, ...]]:
    """(ward, district, province) of each listed ward; without a district the ward's name has its kind."""
    return frozenset(
        (_name(row["name"]) if row["district"] else row["name"], _name(row["district"]), _name(row["province"]))
        for row in rows("wards")
    )


def _name(unit: str) -> str:
    """'Phường Phúc Xá' and 'P. Phúc Xá' -> 'Phúc Xá'; a unit without its kind stays."""
    word = next((w for w in _kinds() if unit.startswith((w + " ", w + "."))), "")
    return unit.removeprefix(word).lstrip(". ")


@of_lists
def _kinds() -> tuple[str, ...]:
    """Words for a kind of unit, the longest first."""
    return tuple(sorted((*entries("address_words"), "P", "Q", "H", "X", "T"), key=len, reverse=True))
