"""The SQLite database: one file in the home folder, many processes.

Every writing transaction begins with BEGIN IMMEDIATE. SQLAlchemy's default begins only at the first write, so
two processes may read the same queued job and both claim it (measured: 574 claims for 400 jobs).
"""

import errno
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DatabaseError

from backend.store.migrations import is_current, migrate
from jobs.protocol.errors import ResourceError

BUSY_MILLISECONDS = 30_000
DAMAGED = re.compile("malformed|not a database")
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "beegfs", "gpfs", "ceph", "afs"}


class DamagedDatabase(ResourceError):
    """The file is there and is no database, or not a whole one: only a new one helps."""


class Store:
    """Transactions on `<home>/studio.db`.

    Raises: ResourceError in one sentence for a full disk, a read-only home, a broken or newer database.
    """

    def __init__(self, home: Path):
        self.home = home
        self.path = home / "studio.db"
        prepare_home(home)
        self.engine = create_engine(
            URL.create("sqlite", database=str(self.path)),  # quotes what a path may hold
            connect_args={"timeout": BUSY_MILLISECONDS / 1000},
        )
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin)
        with self.read() as conn:  # a look first: opening must not wait for a writer
            current = is_current(conn)
        if not current:
            with self.write() as conn:
                migrate(conn)
        self._inode = _inode(self.path)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may change things; nobody else writes meanwhile. No files, no processes here."""
        with self._translated(), self.engine.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view that blocks nobody."""
        with self._translated(), self.engine.connect() as conn, conn.execution_options(ro=True).begin():
            yield conn

    def check_file(self) -> None:
        """Raises: ResourceError if our file was deleted or replaced: others would not see what we write."""
        if _inode(self.path) != self._inode:
            raise ResourceError(
                f"The database {self.path} was deleted or replaced while the studio ran. End the studio and "
                "start it again; jobs go on, and are listed again from their run folders."
            )

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            sentence = _sentence(str(error.orig), self.path)
            if sentence is None:
                raise
            raise (DamagedDatabase if DAMAGED.search(str(error.orig)) else ResourceError)(sentence) from error


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def prepare_home(home: Path) -> None:
    """Make the home folder, and make sure that it can be written and lies on a local disk.

    Raises: ResourceError.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = home / f".probe-{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ResourceError(_full(home)) from None
        raise ResourceError(
            f"The home folder {home} cannot be written ({error.strerror}). "
            "Choose another with --home or STUDIO_HOME."
        ) from None
    system = file_system(home)
    if system in NETWORK_FILE_SYSTEMS:
        raise ResourceError(
            f"The home folder {home} lies on a network disk ({system}), where a database breaks. "
            "Choose a folder on a local disk with --home or STUDIO_HOME; its `runs` may be a link to here."
        )


def file_system(path: Path) -> str:
    """The type of the file system that holds `path`, such as ext4 or nfs4; "" where it cannot be known."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    resolved = str(path.resolve()) + "/"
    for line in mounts:
        _, point, name, *_ = line.split(" ")
        point = point.replace("\\040", " ").rstrip("/") + "/"
        if resolved.startswith(point) and len(point) >= len(best):
            best, kind = point, name
    return kind


def _configure(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout = {BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(conn: Connection) -> None:
    read_only = conn.get_execution_options().get("ro", False)
    conn.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")


def _full(home: Path) -> str:
    free = shutil.disk_usage(home if home.exists() else home.parent).free // 2**20
    return f"The disk of {home} is full ({free} MiB free). Free some space there, or choose another --home."


def _sentence(text: str, path: Path) -> str | None:
    """A database error as a sentence; None for our own mistakes, which need a traceback."""
    if "disk is full" in text:
        return _full(path.parent)
    if "readonly" in text or "unable to open" in text:
        return f"The database {path} cannot be written. Check who owns it, or choose another --home."
    if "disk I/O error" in text:
        return f"The disk failed under the database {path}. Check the disk, or choose another --home."
    if "database is locked" in text:
        return f"The database {path} was kept busy for {BUSY_MILLISECONDS // 1000} s elsewhere. Try again."
    if DAMAGED.search(text):
        return (
            f"The database {path} is broken. `studio doctor --rebuild` makes it again from the run folders."
        )
    return None
