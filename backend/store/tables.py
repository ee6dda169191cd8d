"""The tables. Times are seconds since 1970; JSON columns hold text."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False, default=""),
    Column("state", String, nullable=False),
    Column("reason", Text),  # why it ended so, a sentence for people
    Column("failure", String),  # a name of jobs.protocol.events.FAILURES
    Column("remedy", Text),  # what to change
    Column("attempt", Integer, nullable=False, default=0),
    Column("priority", Integer, nullable=False, default=0),
    Column("request_id", String, unique=True),  # a repeated submit finds the job it made
    Column("spec", Text, nullable=False),
    Column("device", String, nullable=False),  # auto | cpu | cuda
    Column("processes", Integer, nullable=False),  # devices it takes; 0: none on a CPU
    Column("created_at", Float, nullable=False),
    Column("queued_at", Float, nullable=False),
    Column("claimed_at", Float),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("step", Integer),
    Column("total", Integer),
    Column("seconds_left", Float),
    Column("phase", Text),
    Column("latest", Text, nullable=False, default="{}"),  # newest value of every metric
    Column("error", Text),  # the newest error event
    Column("last_lines", Text, nullable=False, default="[]"),
    Column("events_offset", Integer, nullable=False, default=0),  # bytes of events.jsonl already here
    Column("stop_grace", Float),  # seconds, once a stop was asked for
    Column("stop_reason", Text),  # why it was asked for, where nobody but a rule of the queue did
    # The queue. Defaults are the database's, for rows of older versions.
    Column("rank", Float, nullable=False, server_default="0"),  # lower is sooner, among equal priorities
    Column("held", Integer, nullable=False, server_default="0"),
    Column("after", Text, nullable=False, server_default="[]"),  # ids that must have ended before
    Column("continue_on_error", Integer, nullable=False, server_default="0"),
    Column("not_before", Float),  # the end of a wait between two tries
    Column("retried", Integer, nullable=False, server_default="0"),  # tries after failures, so far
    Column("recovered", Integer, nullable=False, server_default="0"),  # and after losses without progress
    Column("time_limit", Float, nullable=False, server_default="0"),  # seconds a try may run; 0: no limit
    Column("group", String, nullable=False, server_default=""),
    Column("place", String, nullable=False, server_default=""),
    Column("waiting", Text),  # what an active job waits for, as a batch system says
    Column("ran_on", Text, nullable=False, server_default="[]"),  # devices of its newest try
    # stretches of steps whose curves are summed up
    Column("folded", Integer, nullable=False, default=0, server_default="0"),
    # what people wrote about it; the run folder has the same (backend/remarks.py)
    Column("note", Text, nullable=False, default="", server_default=""),
    Column("tags", Text, nullable=False, default="[]", server_default="[]"),
    # for lists, out of the spec (backend/listed.py)
    Column("model", Text, nullable=False, default="", server_default=""),
    Column("retries", Integer, nullable=False, default=0, server_default="0"),
    Index("jobs_by_state", "state"),
    Index("jobs_by_group", "group"),
    # All by which lists are filtered and put in order: without it each row is read with its spec.
    Index(
        "jobs_listed",
        *("created_at", "id", "state", "kind", "group", "place", "name", "model", "tags"),
        *("priority", "rank", "ended_at", "held"),
    ),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String, primary_key=True),  # "cuda:0", "cpu:1"
    Column("kind", String, nullable=False),
    Column("label", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("present", Integer, nullable=False, default=1),
    Column("job_id", String, ForeignKey("jobs.id", ondelete="RESTRICT")),  # who leases it
)

metrics = Table(
    "metrics",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("step", Integer, nullable=False),
    Column("value", Float, nullable=False),
    # A resumed attempt repeats steps: the newer value replaces the older.
    PrimaryKeyConstraint("job_id", "name", "step"),
    sqlite_with_rowid=False,
)


stretches = Table(
    "stretches",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("number", Integer, nullable=False),  # steps from number * curves.STRETCH
    Column("points", Integer, nullable=False),
    Column("low_step", Integer, nullable=False),
    Column("low", Float, nullable=False),
    Column("high_step", Integer, nullable=False),
    Column("high", Float, nullable=False),
    PrimaryKeyConstraint("job_id", "name", "number"),
    sqlite_with_rowid=False,
)  # the extremes of curves over stretches of steps


def _levels(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        Column("step", Integer, nullable=False),
        Column("loss", Text, nullable=False),
        Column("count", Text, nullable=False),
        PrimaryKeyConstraint("job_id", "step"),
        sqlite_with_rowid=False,
    )


levels = _levels("levels")  # loss by noise level while training
validation_levels = _levels("validation_levels")  # and on the rows held out

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", Text, nullable=False),  # JSON: token and process identity
    Column("expires_at", Float, nullable=False),
)
