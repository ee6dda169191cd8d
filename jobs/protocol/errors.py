"""The tree of errors that a person may see. Each message says what is wrong, where, and what to do.

StudioError
├── SpecError       a spec that does not validate, an unknown key, an impossible combination
├── DataError       a data file: missing, empty, broken line (file and line named)
├── ModelError      a model folder: none, wrong, missing or unexpected tensors, a clashing mask token
├── JobError        a job that cannot do what was asked (unknown id, wrong state, not resumable)
├── ResourceError   disk, memory, devices, port: the machine cannot
└── AccessError     a path outside the roots, a missing token, a refused host
"""


class StudioError(Exception):
    """Something a person can mend. The text is shown as it is, without a traceback."""


class SpecError(StudioError):
    """A spec is wrong."""


class DataError(StudioError):
    """A data file is wrong. Of a bad row: `kind` is the word under which a check counts it
    (jobs.data.checks.KINDS), `raw` the row as it stands, as far as it was read."""

    def __init__(self, text: str, kind: str = "row", raw: object = None):
        super().__init__(text)
        self.kind = kind
        self.raw = raw


class ModelError(StudioError):
    """A model folder is wrong."""


class JobError(StudioError):
    """A job cannot do what was asked of it."""


class ResourceError(StudioError):
    """The machine has not got what is needed."""


class AccessError(StudioError):
    """Not allowed."""
