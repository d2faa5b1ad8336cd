"""The frozen base of every domain type: whole, immutable, unknown keys refused."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value that survives a round trip through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
