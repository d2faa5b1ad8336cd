"""After stage 9, loaders.pacs: ask a PACS for studies, give it instances and take them back, by DICOMweb or DIMSE.

`https://host/dicom-web` speaks QIDO-RS, STOW-RS and WADO-RS (DICOM PS3.18); `dicom://AETITLE@host:port` speaks C-FIND,
C-STORE and C-GET (PS3.4). Whatever goes wrong is a SohoaError that says what to do, without a name of a patient.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from loaders.dicom import Uids
from records.errors import SohoaError

AE_TITLE = "SOHOA"
SECONDS = 60
PENDING, DONE = (0xFF00, 0xFF01), 0x0000
KEPT_ALL = (0x0000, 0xB000)  # of C-STORE: all, or all with some elements coerced; the pixels are compared anyway
STORED = (
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)


class Away(SohoaError):
    """The PACS does not answer; what waits can be sent again."""


class Study(NamedTuple):
    """A study that a PACS holds."""

    uid: str
    accession: str
    modalities: tuple[str, ...]


class Pacs(Protocol):
    """One PACS. Every method raises Away when it does not answer, SohoaError when it refuses."""

    name: str

    def studies(self, patient_id: str, day: str) -> list[Study]:
        """What it holds of a patient on a day (YYYYMMDD)."""
        ...

    def store(self, instance: Dataset) -> None:
        """Give it an instance; one that it holds already stays one."""
        ...

    def take_back(self, uids: Uids) -> Dataset | None:
        """An instance as it holds it; None where it has none."""
        ...

    def url(self, study_uid: str, series_uid: str = "", instance_uid: str = "") -> str:
        """Where a study or an instance is to be had."""
        ...


def open_pacs(url: str, authorization: str = "") -> Pacs:
    """By its address; SohoaError when that is neither. `authorization`: the header of that name, for DICOMweb."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname:
        return WebPacs(url.rstrip("/"), authorization)
    try:
        if parts.scheme == "dicom" and parts.hostname and parts.username and parts.port:
            return DimsePacs(parts.username, parts.hostname, parts.port)
    except ValueError:
        pass
    raise SohoaError(f"'{url}' is no PACS; write https://HOST/dicom-web or dicom://AETITLE@HOST:PORT.")


def pixels_of(instance: Dataset) -> str:
    """SHA-256 of an instance's pixels, uncompressed and without the byte that makes them even."""
    return hashlib.sha256(instance.pixel_array.tobytes()).hexdigest()


class WebPacs:
    """A PACS by DICOMweb."""

    def __init__(self, base: str, authorization: str = "") -> None:
        self.name, self._base = base, base
        headers = {"Authorization": authorization} if authorization else None
        self._client = DICOMwebClient(base, headers=headers, timeout=SECONDS, session=requests.Session())
        self._client.set_http_retry_params(retry=False)  # whoever sends again is told, and need not wait

    def studies(self, patient_id: str, day: str) -> list[Study]:
        asked = {"PatientID": patient_id, "StudyDate": day}
        fields = ["StudyInstanceUID", "AccessionNumber", "ModalitiesInStudy"]
        with self._asking():
            rows = self._client.search_for_studies(search_filters=asked, fields=fields)
        found = [Dataset.from_json(row) for row in rows]
        return [_study(one) for one in found]

    def store(self, instance: Dataset) -> None:
        with self._asking():
            answer = self._client.store_instances([instance])
        if answer.get("FailedSOPSequence"):
            reason = answer.FailedSOPSequence[0].get("FailureReason", 0)
            raise SohoaError(f"{self.name} did not keep the instance (reason {reason:#06x}).")

    def take_back(self, uids: Uids) -> Dataset | None:
        try:
            with self._asking():
                return self._client.retrieve_instance(*uids)
        except _NotThere:
            return None

    def url(self, study_uid: str, series_uid: str = "", instance_uid: str = "") -> str:
        return _path(self._base, study_uid, series_uid, instance_uid)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status == 404:
                raise _NotThere(f"{self.name} knows nothing of it.") from error
            if status >= 500:
                raise Away(f"{self.name} is not ready (status {status}); send again when it is.") from error
            told = "; set SOHOA_PACS_AUTHORIZATION" if status in (401, 403) else ""
            raise SohoaError(f"{self.name} refused with status {status}{told}.") from error
        except requests.RequestException as error:
            raise Away(f"{self.name} does not answer ({type(error).__name__}); send again when it is up.") from error


class DimsePacs:
    """A PACS by DIMSE: one association for each question, so that nothing is held open between films."""

    def __init__(self, title: str, host: str, port: int) -> None:
        self.name = f"dicom://{title}@{host}:{port}"
        self._title, self._host, self._port = title, host, port

    def studies(self, patient_id: str, day: str) -> list[Study]:
        asked = Dataset()
        asked.SpecificCharacterSet = "ISO_IR 192"
        asked.QueryRetrieveLevel, asked.PatientID, asked.StudyDate = "STUDY", patient_id, day
        asked.StudyInstanceUID = asked.AccessionNumber = asked.ModalitiesInStudy = ""
        ae = AE(ae_title=AE_TITLE)
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        with self._associated(ae) as talk:
            found = []
            for status, row in talk.send_c_find(asked, StudyRootQueryRetrieveInformationModelFind):
                self._heed(status, (*PENDING, DONE))
                if status.Status in PENDING and row is not None:
                    found.append(_study(row))
        return found

    def store(self, instance: Dataset) -> None:
        ae = AE(ae_title=AE_TITLE)
        ae.add_requested_context(instance.SOPClassUID, ExplicitVRLittleEndian)
        with self._associated(ae) as talk:
            self._heed(talk.send_c_store(instance), KEPT_ALL)

    def take_back(self, uids: Uids) -> Dataset | None:
        got: list[Dataset] = []

        def keep(event: evt.Event) -> int:
            one = event.dataset
            one.file_meta = event.file_meta
            got.append(one)
            return DONE

        asked = Dataset()
        asked.QueryRetrieveLevel = "IMAGE"
        asked.StudyInstanceUID, asked.SeriesInstanceUID, asked.SOPInstanceUID = uids
        ae = AE(ae_title=AE_TITLE)
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
        for kind in STORED:
            ae.add_requested_context(kind, ExplicitVRLittleEndian)
        roles = [build_role(kind, scp_role=True) for kind in STORED]
        with self._associated(ae, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, keep)]) as talk:
            for status, _ in talk.send_c_get(asked, StudyRootQueryRetrieveInformationModelGet):
                if status and status.Status not in (*PENDING, DONE):
                    return None
                self._heed(status, (*PENDING, DONE))
        return got[0] if got else None

    def url(self, study_uid: str, series_uid: str = "", instance_uid: str = "") -> str:
        return _path(self.name, study_uid, series_uid, instance_uid)

    @contextmanager
    def _associated(self, ae: AE, **options: Any) -> Iterator[Association]:
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = SECONDS
        talk = ae.associate(self._host, self._port, ae_title=self._title, **options)
        if not talk.is_established:
            if talk.is_rejected:
                raise SohoaError(f"{self.name} does not know {AE_TITLE}; add it there to the AE titles it serves.")
            raise Away(f"{self.name} does not answer; send again when it is up.")
        try:
            if not talk.accepted_contexts:
                raise SohoaError(f"{self.name} does not take what was asked of it.")
            yield talk
        except (RuntimeError, ValueError) as error:  # the association was lost, or does not allow it
            raise Away(f"{self.name} broke off; send again when it is up.") from error
        finally:
            if talk.is_established:
                talk.release()

    def _heed(self, status: Dataset, good: tuple[int, ...]) -> None:
        if not status:
            raise Away(f"{self.name} broke off; send again when it is up.")
        if status.Status not in good:
            raise SohoaError(f"{self.name} refused with status {status.Status:#06x}.")


class _NotThere(SohoaError):
    pass


def _study(row: Dataset) -> Study:
    kinds = row.get("ModalitiesInStudy") or []
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    return Study(str(row.StudyInstanceUID), str(row.get("AccessionNumber") or ""), tuple(kinds))


def _path(base: str, study_uid: str, series_uid: str, instance_uid: str) -> str:
    parts = [("studies", study_uid), ("series", series_uid), ("instances", instance_uid)]
    return "/".join([base, *(f"{name}/{uid}" for name, uid in parts if uid)])
