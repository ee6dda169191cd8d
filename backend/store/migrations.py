"""The history of the database's shape. Append to MIGRATIONS; never change an entry that was released."""

import json
from collections.abc import Callable

from sqlalchemy import Connection, select, update
from sqlalchemy.schema import CreateColumn

from backend.listed import listed_columns
from backend.store.tables import jobs, metadata, stretches, validation_levels
from jobs.protocol.errors import ResourceError


def first_tables(conn: Connection) -> None:
    """Jobs, devices, metrics, levels, leases."""
    metadata.create_all(conn)


def levels_of_validation(conn: Connection) -> None:
    """Loss by noise level on the rows held out."""
    validation_levels.create(conn, checkfirst=True)


def new_columns_of_jobs(conn: Connection) -> None:
    """Columns that the table has in this version and not in the database."""
    there = {row.name for row in conn.exec_driver_sql("PRAGMA table_info(jobs)")}
    for column in jobs.columns:
        if column.name not in there:  # all are there where first_tables has just made them
            definition = CreateColumn(column).compile(dialect=conn.dialect)
            conn.exec_driver_sql(f"ALTER TABLE jobs ADD COLUMN {definition}")


def queue_rules(conn: Connection) -> None:
    """What each job waits for, and how often it was tried."""
    new_columns_of_jobs(conn)
    for index in jobs.indexes:
        index.create(conn, checkfirst=True)
    conn.execute(jobs.update().values(rank=jobs.c.queued_at))


def extremes_of_curves(conn: Connection) -> None:
    """The lowest and the highest point of each stretch of a curve. Older runs are read point by point."""
    stretches.create(conn, checkfirst=True)
    new_columns_of_jobs(conn)


def remarks_of_people(conn: Connection) -> None:
    """Notes and tags; there are none in older runs."""
    new_columns_of_jobs(conn)


def columns_of_lists(conn: Connection) -> None:
    """What lists show and search out of the specs, and an index that has all by which a list is made."""
    new_columns_of_jobs(conn)
    for row in conn.execute(select(jobs.c.id, jobs.c.spec)).all():
        change = update(jobs).where(jobs.c.id == row.id)
        conn.execute(change.values(**listed_columns(json.loads(row.spec))))
    for index in jobs.indexes:
        index.create(conn, checkfirst=True)


MIGRATIONS: list[Callable[[Connection], None]] = [
    first_tables,
    levels_of_validation,
    queue_rules,
    new_columns_of_jobs,
    extremes_of_curves,
    remarks_of_people,
    columns_of_lists,
]


def is_current(conn: Connection) -> bool:
    """Whether nothing is to be done."""
    return version(conn) == len(MIGRATIONS)


def version(conn: Connection) -> int:
    """How many of MIGRATIONS the database has seen."""
    return conn.exec_driver_sql("PRAGMA user_version").scalar_one()


def migrate(conn: Connection) -> None:
    """Bring the database to this version's shape, inside the caller's transaction.

    Raises: ResourceError if a newer version made it.
    """
    done = version(conn)
    if done > len(MIGRATIONS):
        raise ResourceError(
            "The database was made by a newer version of dLLM Studio. Install that version, "
            "or use another home folder."
        )
    for step in MIGRATIONS[done:]:
        step(conn)
    if done < len(MIGRATIONS):
        conn.exec_driver_sql(f"PRAGMA user_version = {len(MIGRATIONS)}")
