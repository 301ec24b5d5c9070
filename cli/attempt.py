"""One piece of work on one input, and what came of it: also of a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vqcodec.errors import VqcodecError

from .console import Record, display_name, naming
from .outputs import AlreadyExists, Source

_IN_SUMMARY = ("ok", "size_bytes", "exit_code", "existing")
Report = Callable[[float], None]  # takes the share of one input that is done, 0 … 1


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one input: what its record says, and what the user is told."""

    record: Record
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return bool(self.record["ok"])

    def brief(self) -> Done:
        """Return what the summary needs, since there may be millions of records."""
        return Done({key: self.record[key] for key in _IN_SUMMARY if key in self.record})


Work = Callable[[Source, Report], Done]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Does the work on one input and turns a failure into a record; is pickled with its work."""

    work: Work

    def __call__(self, source: Source, report: Report = lambda _share: None) -> Done:
        """Return what came of an input."""
        try:
            with naming(source.name):
                done = self.work(source, report)
        except AlreadyExists as found:
            return left_as_it_is(source, found.target)
        except VqcodecError as error:
            return failed(source, error)
        record = {"input": display_name(source.name), "ok": True, **done.record}
        return Done(record, done.notes)


def failed(source: Source, error: VqcodecError) -> Done:
    """Return the record of an input whose error names it."""
    record = {"input": display_name(source.name), "ok": False, "error": str(error)}
    return Done({**record, "exit_code": error.exit_code})


def failed_at(source: Source, error: VqcodecError) -> Done:
    """Return the record of an input whose error does not name it."""
    return failed(source, type(error)(f"{display_name(source.name)}: {error}"))


def left_as_it_is(source: Source, target: str) -> Done:
    """Return the record of an input whose result exists already."""
    record = {"input": display_name(source.name), "ok": True, "output": target}
    return Done({**record, "existing": True})
