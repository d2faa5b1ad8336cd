"""Before everything, for bench.scheduler: the steps of a batch are those of bench.stub.steps, which do nothing."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path


class Stubbed(MetaPathFinder):
    """Finds `pipeline.steps` here."""

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:  # type: ignore[no-untyped-def]
        """The stub for that one module."""
        if name != "pipeline.steps":
            return None
        return spec_from_file_location(name, Path(__file__).with_name("steps.py"))


sys.meta_path.insert(0, Stubbed())
