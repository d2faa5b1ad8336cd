"""The errors a person has to act on; each message says what happened, where, and what to do next."""


class SohoaError(Exception):
    """A broken system or wrong call: one sentence for the person who can mend it. The command line exits with 2."""


class UnreadableScan(SohoaError):
    """A file that cannot be read. `code` is one of `records.quarantine.QUARANTINE`; siblings go on."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class DocumentTypeError(SohoaError):
    """A YAML in document_types/ that cannot be used: file, key and reason."""


class EmrConflict(SohoaError):
    """A row that the EMR would not take. `said_vi`: the same for an officer, '' where no screen says it."""

    def __init__(self, message: str, said_vi: str = "") -> None:
        super().__init__(message)
        self.said_vi = said_vi


class LostLease(SohoaError):
    """A document that somebody else holds by now: nothing was saved, what was typed must be kept on the screen."""
