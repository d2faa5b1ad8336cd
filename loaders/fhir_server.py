"""After stage 9, loaders.fhir_server: what a FHIR server holds of a stay, and the transaction that makes it current.

Pure: bundles go in and come out, and the answer of a server is read here; nothing is sent.
"""

import hashlib
import json
from collections.abc import Collection, Mapping

from loaders.fhir import Resource
from records.errors import SohoaError

Held = Mapping[str, tuple[str, str]]


def held_by(bundle: Resource) -> Held:
    """What a server holds once it has taken a bundle: fullUrl -> (search that finds it, hash of its content)."""
    return {one["fullUrl"]: (_search(one), _hash(one["resource"])) for one in bundle["entry"] if "resource" in one}


def bringing_up_to(bundle: Resource, held: Held, kept: Collection[str] = ()) -> Resource:
    """The bundle for a server that holds an earlier state of the stay: what has changed is updated, what is no more is
    deleted there (but for `kept`, searches of what others still need), the rest is created unless it is there."""
    entries = [_updated(one, held) for one in bundle["entry"]]
    now = {one["fullUrl"] for one in bundle["entry"]}
    gone = [search for url, (search, _) in reversed(list(held.items())) if url not in now and search not in kept]
    entries += [{"request": {"method": "DELETE", "url": search}} for search in gone]
    return bundle | {"entry": entries}


def refusals_in(sent: Resource, answer: Resource) -> list[str]:
    """What a server did not take of a transaction, by resource and status; SohoaError when it is no answer to it."""
    answered = answer.get("entry", [])
    if answer.get("resourceType") != "Bundle" or len(answered) != len(sent["entry"]):
        raise SohoaError("The server did not answer every resource of the transaction; ask its administrator.")
    pairs = zip(sent["entry"], answered, strict=True)
    return [
        f"{one['request']['method']} {one['request']['url'].partition('?')[0]}: {status}"
        for one, told in pairs
        if not (status := str(told.get("response", {}).get("status", "none"))).startswith("2")
    ]


def _updated(entry: Resource, held: Held) -> Resource:
    before = held.get(entry["fullUrl"])
    if before is None or before[1] == _hash(entry["resource"]):
        return entry
    return entry | {"request": {"method": "PUT", "url": _search(entry)}}


def _search(entry: Resource) -> str:
    return f"{entry['request']['url']}?{entry['request']['ifNoneExist']}"


def _hash(resource: Resource) -> str:
    return hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()
