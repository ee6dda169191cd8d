"""The last look before a job starts: what it waited for is there, and it still fits."""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import update

from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.folder import RunFolder, write_json
from jobs.specs.job import JobSpec
from jobs.specs.load import parse_spec
from jobs.specs.references import promised

Resolve = Callable[[JobSpec], JobSpec]


class LastLook:
    """Called with a run folder right before its program starts."""

    def __init__(self, store: Store, resolve: Resolve, *checks: Callable[[RunFolder, JobSpec], Any]):
        self.store, self.resolve, self.checks = store, resolve, checks

    def __call__(self, run: RunFolder) -> None:
        """Put paths in place of the results that the spec was promised, and check the whole.

        Raises: ModelError, DataError where a result is not there; what the checks raise.
        """
        spec = parse_spec(run.spec())
        if promised(spec):
            spec = self._redeemed(run, spec)
        for check in self.checks:
            check(run, spec)

    def _redeemed(self, run: RunFolder, spec: JobSpec) -> JobSpec:
        due = spec.model_copy(update={"queue": spec.queue.model_copy(update={"after": []})})
        spec = self.resolve(due).model_copy(update={"queue": spec.queue})
        data = spec.model_dump(mode="json")
        write_json(run.spec_json, data)
        with self.store.write() as conn:
            conn.execute(update(jobs).where(jobs.c.id == run.id).values(spec=json.dumps(data)))
        return spec
