"""After stage 9, loaders.hosobenhan: a stay as HoSoBenhAn (official letter 365/TTYQG-GPQLCL), in XML and JSON. Pure.

Which groups and fields there are is data (hosobenhan.yaml). An empty value is "", a date dd/mm/yyyy, a moment
dd/mm/yyyy HH:MM:SS.mmm; a date of which the paper gives the year alone stays a year: nothing is made up. Where each
value stands on paper goes into a side file, by the path of the value.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import yaml
from pydantic import Field, ValidationError

from loaders.stays import Row, Stay
from loaders.tables import metadata
from records.base import Frozen
from records.code_lists import name_of
from records.errors import SohoaError

FILE = Path(__file__).resolve().parent / "hosobenhan.yaml"
PLACE = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){1,2}")
SEXES = {"male": "Nam", "female": "Nữ"}
MEASURES = {
    "pulse": "Mạch", "temperature": "Nhiệt độ", "blood_pressure": "Huyết áp", "respiration": "Nhịp thở",
    "weight": "Cân nặng", "height": "Chiều cao", "surface": "Diện tích da",
}  # fmt: skip
TOO_LONG = "longer than the structure allows"


class FieldOf(Frozen):
    """One value. `place`: TABLE.COLUMN, or TABLE.ROW.COLUMN of `condition` (by rank) and `observation` (by measure)."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    place: str = Field(alias="from")
    form: Literal["", "date", "moment", "sex", "outcome"] = Field(default="", alias="as")
    max: int = 0


class ListOf(Frozen):
    """Elements of a document, one for each of its rows of table `of`."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    item: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    of: str
    fields: tuple[FieldOf, ...]


class Group(Frozen):
    """One group. `per`: 'stay', or the forms of which each document makes one."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    per: Literal["stay"] | tuple[str, ...]
    fields: tuple[FieldOf, ...]
    list: ListOf | None = None


class Structure(Frozen):
    """What HoSoBenhAn is made of. `forms`: where a stay's value is looked for first."""

    edition: str
    key: FieldOf
    forms: tuple[str, ...]
    groups: tuple[Group, ...]


class Made(NamedTuple):
    """HoSoBenhAn of one stay. `values`: as JSON; `sources`: path of a value -> where it stands on paper;
    `items`: what the elements of a list are called in XML."""

    values: dict[str, Any]
    sources: dict[str, Any]
    items: dict[str, str]

    def xml(self) -> bytes:
        """The same values as XML."""
        root = Element("HoSoBenhAn")
        for name, value in self.values["HoSoBenhAn"].items():
            for one in (value or [""]) if isinstance(value, list) else [value]:
                _fill(SubElement(root, name), one, self.items)
        indent(root)
        return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


@cache
def structure(path: Path = FILE) -> Structure:
    """The structure in a file; SohoaError where it is none, or names a place that the EMR has not."""
    try:
        read = Structure.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SohoaError(f"The structure {path} cannot be read; is it a YAML file?") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise SohoaError(f"{path}: {where}: {error.errors()[0]['msg']}") from error
    fields = [f for group in read.groups for f in (*group.fields, *(group.list.fields if group.list else ()))]
    for one in (read.key, *fields):
        _check_place(path, one.place)
    return read


def made_of(stay: Stay, wanted: Structure) -> Made:
    """HoSoBenhAn of a stay; every group is there, also an empty one."""
    making = _Making(stay, wanted)
    groups = {group.name: making.group(group) for group in wanted.groups}
    items = {group.list.name: group.list.item for group in wanted.groups if group.list}
    return Made({"HoSoBenhAn": {"phienban": wanted.edition} | groups}, making.sources, items)


class _Making:
    def __init__(self, stay: Stay, wanted: Structure) -> None:
        self.stay, self.wanted = stay, wanted
        self.sources: dict[str, Any] = {}
        self.said: dict[tuple[str, str, str], list[Row]] = {}
        for row in stay.provenance:
            self.said.setdefault((row["target_table"], row["target_id"], row["target_column"]), []).append(row)

    def group(self, group: Group) -> Any:
        """An element, or the elements of a group."""
        if group.per == "stay":
            return self._element(group, group.name, self.stay.documents_by(self.wanted.forms))
        own = [document for document in self.stay.documents if self.stay.forms[document] in group.per]
        return [self._element(group, f"{group.name}[{at}]", [document]) for at, document in enumerate(own)]

    def _element(self, group: Group, path: str, documents: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {
            one.name: self._value(one, f"{path}.{one.name}", documents) for one in (self.wanted.key, *group.fields)
        }
        if group.list:
            rows = [row for document in documents for row in self.stay.of_document(group.list.of, document)]
            where = f"{path}.{group.list.name}"
            found[group.list.name] = [
                {f.name: self._written(f, f"{where}[{at}].{f.name}", group.list.of, row) for f in group.list.fields}
                for at, row in enumerate(rows)
            ]
        return found

    def _value(self, wanted: FieldOf, path: str, documents: list[str]) -> str:
        table, _, rest = wanted.place.partition(".")
        for row in self._rows(table, rest.rpartition(".")[0], documents):
            if row[wanted.place.rpartition(".")[2]]:
                return self._written(wanted, path, table, row)
        return ""

    def _rows(self, table: str, which: str, documents: list[str]) -> Iterator[Row]:
        if table in ("patient", "encounter"):
            yield getattr(self.stay, table)
        for document in documents:
            if table == "document_reference":
                yield from (page for page in self.stay.pages if page["document_id"] == document)
            elif table == "condition":
                yield from (r for r in self.stay.of_document(table, document) if r["rank"] == which)
            elif table == "observation" and which:
                yield from (r for r in self.stay.of_document(table, document) if r["test"] == MEASURES[which])
            else:
                yield from self.stay.of_document(table, document)

    def _written(self, wanted: FieldOf, path: str, table: str, row: Row) -> str:
        column = wanted.place.rpartition(".")[2]
        text = _formed(row[column] or "", wanted.form)
        if not text:
            return ""
        told = self._source(table, row, column)
        if wanted.max and len(text) > wanted.max:
            self.sources[path] = told | {"left_out": TOO_LONG}
            return ""
        self.sources[path] = told
        return text

    def _source(self, table: str, row: Row, column: str) -> dict[str, Any]:
        """Where the value was written first, as the EMR's provenance has it; a label that the form prints has none."""
        key = next(iter(metadata.tables[f"emr.{table}"].primary_key.columns)).name
        rows = self.said.get((table, row[key], column), [])
        best = next((one for one in rows if one["value"] == row[column]), rows[0] if rows else None)
        if best is None:
            elsewhere = column in row.get("changed_elsewhere", ())
            return {"document": row["document_id"], "written_by": "another system" if elsewhere else "the form"}
        names = ("page_id", "raw", "box", "engine", "rule", "checked", "reviewer")
        return {"document": best["document_id"], "field": best["field"]} | {name: best[name] for name in names}


def _formed(text: str, form: str) -> str:
    if form == "sex":
        return SEXES.get(text, "")
    if form == "outcome":
        return name_of("outcomes", text)
    if form in ("date", "moment"):
        return _day(text, form)
    return text


def _day(text: str, form: str) -> str:
    """'1956-04-18' -> '18/04/1956'; a moment with seconds and milliseconds; a year or month alone as it is."""
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            return moment.strftime("%d/%m/%Y") + (" " + moment.strftime("%H:%M:%S.000") if form == "moment" else "")
        return date.fromisoformat(text).strftime("%d/%m/%Y")
    except ValueError:
        return text


def _fill(element: Element, values: Mapping[str, Any] | str, items: Mapping[str, str]) -> None:
    if isinstance(values, str):
        element.text = values
        return
    for name, value in values.items():
        if isinstance(value, list):
            held = SubElement(element, name)
            for one in value:
                _fill(SubElement(held, items[name]), one, items)
        else:
            _fill(SubElement(element, name), value, items)


def _check_place(path: Path, place: str) -> None:
    table, _, rest = place.partition(".")
    which, _, column = rest.rpartition(".")
    known = metadata.tables.get(f"emr.{table}")
    fine = PLACE.fullmatch(place) and known is not None and column in known.columns
    fine = fine and which in {"condition": ("main", "secondary"), "observation": ("", *MEASURES)}.get(table, ("",))
    if not fine:
        raise SohoaError(f"{path}: '{place}' is not a place in the EMR; see docs/emr.md.")
