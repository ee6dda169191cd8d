"""Jobs by words and filters, a page at a time: for lists of any length."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Select, case, func, or_, select

from backend.remarks import KEEP, has_tag
from backend.services.groups import GroupService, GroupView
from backend.services.job_view import LINE, JobLine, build_lines, is_resumable
from backend.services.jobs import JobService
from backend.store.tables import jobs
from jobs.protocol.states import ACTIVE, State

SEARCHED = (jobs.c.id, jobs.c.name, jobs.c.model, jobs.c.group, jobs.c.place)
JSON_MARKS = set('[]",')  # tags lie as JSON; none holds these
_RUNS, _WAITS = jobs.c.state.in_([state.value for state in ACTIVE]), jobs.c.state == State.QUEUED
ORDERS: dict[str, tuple[ColumnElement, ...]] = {
    "newest": (jobs.c.created_at.desc(), jobs.c.id.desc()),
    "oldest": (jobs.c.created_at, jobs.c.id),
    "name": (func.lower(jobs.c.name), jobs.c.id),
    # What runs, then what waits in its turn, then what ended last.
    "turn": (
        case((_RUNS, 0), (_WAITS, 1), else_=2),
        case((_WAITS, -jobs.c.priority), else_=0),
        case(
            (_RUNS, -jobs.c.created_at),
            (_WAITS, jobs.c.rank),
            else_=-func.coalesce(jobs.c.ended_at, jobs.c.created_at),
        ),
        jobs.c.id,
    ),
}
Order = Literal["newest", "oldest", "name", "turn"]


class Wanted(BaseModel):
    """Which jobs, and in which order. What is empty does not restrict."""

    model_config = ConfigDict(frozen=True)

    search: str = ""
    """Words that each occur in the id, the name, the model, a tag, the group, or the place in it."""
    states: Sequence[State] = ()
    kinds: Sequence[str] = ()
    tags: Sequence[str] = ()
    """All of them."""
    group: str = ""
    order: Order = "newest"


class JobBrief(BaseModel):
    """As much of a job as is needed to say what can be done with it."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    state: State
    group: str
    held: bool
    resumable: bool
    kept: bool
    """It has the tag that cleaning up respects."""


class JobPage(BaseModel):
    """A part of a list."""

    jobs: list[JobLine]
    """Of a folded list: of each group the one job that comes first."""
    total: int
    """How long the whole list is."""
    states: dict[str, int]
    """State -> jobs that match everything else."""
    groups: dict[str, GroupView]
    """Of a folded list: the groups on this page."""


class JobSearch:
    """Finds jobs. Reads no spec."""

    def __init__(self, jobs: JobService, groups: GroupService):
        self.jobs, self.groups, self.store = jobs, groups, jobs.store

    def page(self, wanted: Wanted, limit: int = 200, offset: int = 0, fold: bool = False) -> JobPage:
        """The part of the list from `offset` on; with `fold` a group counts as one."""
        listed = _folded(wanted) if fold else _plain(wanted)
        cut = listed.limit(limit).offset(offset).subquery()
        by_state = select(jobs.c.state, func.count()).where(*_conditions(wanted, states=False))
        with self.store.read() as conn:
            total = conn.execute(_length(wanted, fold)).scalar_one()
            rows = conn.execute(select(*LINE).join(cut, cut.c.id == jobs.c.id).order_by(cut.c.spot)).all()
            states = {state: count for state, count in conn.execute(by_state.group_by(jobs.c.state))}
            found = build_lines(conn, rows, str(self.jobs.runs), self.jobs.is_scheduled())
        names = {job.group for job in found if job.group} if fold else ()
        groups = {view.id: view for view in self.groups.views(names)} if names else {}
        return JobPage(jobs=found, total=total, states=states, groups=groups)

    def briefs(self, wanted: Wanted) -> list[JobBrief]:
        """All jobs that match, however many."""
        columns = (
            jobs.c.id,
            jobs.c.kind,
            jobs.c.state,
            jobs.c.group,
            jobs.c.held,
            has_tag(KEEP).label("kept"),
        )
        query = select(*columns).where(*_conditions(wanted)).order_by(*ORDERS[wanted.order])
        with self.store.read() as conn:
            rows = conn.execute(query).all()
        return [JobBrief(**row._mapping, resumable=is_resumable(row)) for row in rows]


def _conditions(wanted: Wanted, states: bool = True) -> list[ColumnElement[bool]]:
    found = [_occurs(word) for word in wanted.search.split()]
    found += [has_tag(tag) for tag in wanted.tags]
    if wanted.group:
        found.append(jobs.c.group == wanted.group)
    if wanted.kinds:
        found.append(jobs.c.kind.in_(wanted.kinds))
    if wanted.states and states:
        found.append(jobs.c.state.in_([state.value for state in wanted.states]))
    return found


def _occurs(word: str) -> ColumnElement[bool]:
    """Whether a word occurs anywhere; small and capital letters of ASCII are the same to SQLite."""
    columns = SEARCHED if JSON_MARKS & set(word) else (*SEARCHED, jobs.c.tags)
    return or_(*(column.contains(word, autoescape=True) for column in columns))


def _length(wanted: Wanted, fold: bool) -> Select:
    """How many jobs match; with `fold` a group counts as one."""
    groups = func.count(func.nullif(jobs.c.group, "").distinct())
    others = func.count(case((jobs.c.group == "", 1)))
    number = groups + others if fold else func.count()
    return select(number).select_from(jobs).where(*_conditions(wanted))


def _plain(wanted: Wanted) -> Select:
    """(id, spot) of every job that matches, in order."""
    spot = func.row_number().over(order_by=ORDERS[wanted.order]).label("spot")
    return select(jobs.c.id, spot).where(*_conditions(wanted)).order_by("spot")


def _folded(wanted: Wanted) -> Select:
    """The same of the first job of each group, and of every job without one."""
    alone = case((jobs.c.group == "", jobs.c.id), else_="").label("alone")
    each = _plain(wanted).add_columns(jobs.c.group.label("together"), alone).order_by(None).subquery()
    # SQLite takes the id from the row with the least spot (https://sqlite.org/lang_select.html#bareagg).
    least = func.min(each.c.spot).label("spot")
    return select(each.c.id, least).group_by(each.c.together, each.c.alone).order_by("spot")
