"""Requests side by side: one pass for many, pausing, cancelling, branching, models that must wait."""

import threading

import pytest

from jobs.models import checkpoint
from jobs.programs.process import Process
from jobs.programs.serving import batch as batch_module
from jobs.programs.serving import desk as desk_module
from jobs.programs.serving import models as models_module
from jobs.programs.serving.batch import Batch
from jobs.programs.serving.desk import Desk
from jobs.programs.serving.models import Models
from jobs.protocol import trajectory
from jobs.protocol.errors import JobError, SpecError
from jobs.protocol.folder import RunFolder
from jobs.specs.job import ServeSpec

SAMPLER = {"steps": 8, "max_new_tokens": 8, "block_size": 8}
PATIENCE = 20.0


@pytest.fixture
def folder(text_model, tmp_path):
    checkpoint.save(text_model.model, text_model.tokenizer, text_model.config, tmp_path / "model")
    return tmp_path / "model"


class Steps:
    """The worker's passes, each let go by the test; `rows` has the requests that were in each."""

    def __init__(self, desk: Desk, monkeypatch):
        self.desk, self.rows = desk, []
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        step, due = Batch.step, Batch._due

        def gated(batch, free_memory):
            if not self._go.acquire(timeout=PATIENCE):
                raise AssertionError("the test let no step go")
            try:
                return step(batch, free_memory)
            finally:
                self._done.release()

        def seen(batch, room, works):
            self.rows.append([work.request.id for work in due(batch, room, works)])
            return due(batch, room, works)

        monkeypatch.setattr(Batch, "step", gated)
        monkeypatch.setattr(Batch, "_due", seen)

    def __call__(self, count: int) -> None:
        for _ in range(count):
            self._go.release()
            assert self._done.acquire(timeout=PATIENCE), "nothing moved"

    def rest(self) -> None:
        """Let all others go."""
        self._go.release(10_000)


@pytest.fixture
def desk(tmp_path):
    spec = ServeSpec(kind="serve", idle_seconds=5)
    run = RunFolder.create(tmp_path / "runs", "serve", spec.model_dump(mode="json"))
    return Desk(Process(run, run.new_attempt(), spec), Models(models_module.torch.device("cpu"), "auto"))


@pytest.fixture
def steps(desk, monkeypatch):
    made = Steps(desk, monkeypatch)
    yield made
    made.rest()
    desk.close(PATIENCE)


def ask(folder, request, **changes):
    return {"request": request, "model": str(folder), "prompt": "ab", "sampler": SAMPLER, **changes}


def lines(desk, request):
    return trajectory.read(desk.process.run.sample(request))


def ended(desk, request):
    deadline = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        found = lines(desk, request)
        if found and found[-1]["type"] == "end":
            return found
        deadline.wait(0.02)
    raise AssertionError(f"{request} did not end: {lines(desk, request)}")


def told(lines):
    """What a trajectory says, but for who asked and how long it took."""
    return [{k: v for k, v in line.items() if k not in ("seconds", "request")} for line in lines]


def test_requests_share_passes_join_and_leave(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    desk.generate(ask(folder, "b", prompt="abcdef", sampler={**SAMPLER, "steps": 2}))
    desk.start()
    steps(1)
    desk.generate(ask(folder, "c", prompt=None, infill="a ____ b", blanks=3))
    steps(7)
    assert steps.rows[0] == ["a", "b"] and steps.rows[-1] == ["a"]
    assert any(set(row) == {"a", "c"} for row in steps.rows)
    assert all(ended(desk, name)[-1]["reason"] == "finished" for name in "abc")
    assert [sum(line["type"] == "step" for line in lines(desk, name)) for name in "abc"] == [8, 2, 3]


def test_company_changes_no_answer(desk, folder, steps):
    desk.start()
    steps.rest()
    warm = {**SAMPLER, "temperature": 1.0}
    kinds = [
        {"seed": 1},
        {"seed": 2, "prompt": "abcdefgh"},
        {"seed": 3, "sampler": {**warm, "cfg_scale": 1.0}},
    ]
    alone = []
    for number, kind in enumerate(kinds):
        desk.generate(ask(folder, f"alone{number}", **{"sampler": warm, **kind}))
        alone.append(told(ended(desk, f"alone{number}")))
    for number, kind in enumerate(kinds):
        desk.generate(ask(folder, f"beside{number}", **{"sampler": warm, **kind}))
    beside = [told(ended(desk, f"beside{number}")) for number in range(len(kinds))]
    assert [lines[-1]["text"] for lines in beside] == [lines[-1]["text"] for lines in alone]


def test_a_running_request_is_cancelled_between_two_steps(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    desk.start()
    steps(2)
    desk.cancel("a")
    steps(1)
    found = ended(desk, "a")
    assert [line["type"] for line in found] == ["start", "step", "step", "end"]
    assert found[-1]["reason"] == "cancelled" and len(found[-1]["texts"]) == 10


def test_a_paused_request_keeps_its_canvas_and_goes_on(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    desk.generate(ask(folder, "b"))
    desk.start()
    steps(2)
    desk.pause("a")
    steps(3)
    assert desk.requests()[0]["state"] == "paused"
    assert len(lines(desk, "a")) == 1 + 2 and len(lines(desk, "b")) == 1 + 5
    desk.pause("a", False)
    steps.rest()
    assert told(ended(desk, "a")) == told(ended(desk, "b"))
    with pytest.raises(JobError, match="No request 'a'"):
        desk.pause("a")


def test_what_is_only_paused_does_not_keep_the_server(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    assert desk.idle_seconds() == 0
    desk.pause("a")
    desk.last_used -= 100
    assert desk.idle_seconds() >= 100


def test_a_fault_of_one_leaves_the_others(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    desk.generate(ask(folder, "b", sampler={**SAMPLER, "suppress_tokens": list(range(35))}))
    desk.generate(ask(folder, "c", sampler={**SAMPLER, "suppress_tokens": [9999]}))
    desk.start()
    steps.rest()
    assert ended(desk, "a")[-1]["reason"] == "finished"
    assert "There is no token 9999" in ended(desk, "c")[-1]["error"]


def test_a_pass_that_fails_is_tried_one_by_one(desk, folder, steps, monkeypatch):
    replies = batch_module.replies

    def scarce(denoiser, at_work):
        if len(at_work) > 1 or at_work[0].run.start.ids.shape[1] > 14:
            raise RuntimeError("CUDA out of memory")
        return replies(denoiser, at_work)

    monkeypatch.setattr(batch_module, "replies", scarce)
    desk.generate(ask(folder, "a"))
    desk.generate(ask(folder, "b", prompt="abcdefgh"))
    desk.start()
    steps.rest()
    assert ended(desk, "a")[-1]["reason"] == "finished"
    assert "Lower max_new_tokens" in ended(desk, "b")[-1]["error"]


def test_a_disk_that_takes_no_more_ends_its_request_only(desk, folder, steps, monkeypatch):
    def full(path):
        if path.stem == "a":
            raise OSError(28, "No space left on device")
        return open_lines(path)

    open_lines = desk_module.open_lines
    monkeypatch.setattr(desk_module, "open_lines", full)
    for name in "ab":
        desk.generate(ask(folder, name))
    desk.start()
    steps.rest()
    assert ended(desk, "b")[-1]["reason"] == "finished"
    assert "No space left" in ended(desk, "a")[-1]["error"]


def test_a_pass_takes_as_many_as_fit_and_all_get_their_turn(desk, folder, steps, monkeypatch):
    monkeypatch.setitem(batch_module.MOST_TOKENS, "cpu", 25)  # two canvases of ten
    for name in "abc":
        desk.generate(ask(folder, name))
    desk.start()
    steps(3)
    assert steps.rows == [["a", "b"], ["c", "a"], ["b", "c"]]


def test_memory_limits_a_pass_but_one_always_goes(desk, folder, steps, monkeypatch):
    monkeypatch.setattr(desk_module, "free_memory", lambda where: 1.0)
    for name in "ab":
        desk.generate(ask(folder, name))
    desk.start()
    steps(2)
    assert steps.rows == [["a"], ["b"]]


@pytest.fixture
def second(text_model, tmp_path):
    checkpoint.save(text_model.model, text_model.tokenizer, text_model.config, tmp_path / "second")
    return tmp_path / "second"


def test_a_second_model_works_beside_the_first(desk, folder, second, steps):
    desk.generate(ask(folder, "a"))
    desk.generate(ask(second, "b"))
    desk.start()
    steps(2)
    assert set(desk.models.names()) == {str(folder), str(second)}
    assert len(lines(desk, "a")) == len(lines(desk, "b")) == 2


def test_who_wants_to_be_alone_works_with_nothing_beside_it(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    for name in "bc":
        desk.generate(ask(folder, name, alone=True))
    desk.generate(ask(folder, "d"))
    desk.start()
    steps.rest()
    assert all(ended(desk, name)[-1]["reason"] == "finished" for name in "abcd")
    assert [row for i, row in enumerate(steps.rows) if row not in steps.rows[:i]] == [[n] for n in "abcd"]


def test_a_paused_request_is_not_in_the_way_of_one_that_wants_to_be_alone(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    desk.start()
    steps(1)
    desk.pause("a")
    desk.generate(ask(folder, "b", alone=True))
    steps.rest()
    assert ended(desk, "b")[-1]["reason"] == "finished"
    with pytest.raises(SpecError, match="true or false"):
        desk.generate(ask(folder, "c", alone="yes"))


def one_at_a_time(desk, monkeypatch):
    """As if memory had room for one model."""
    monkeypatch.setattr(desk.models, "fits", lambda path, busy: not set(busy) - {path})


def test_a_model_without_room_waits_its_turn(desk, folder, second, steps, monkeypatch):
    one_at_a_time(desk, monkeypatch)
    for name, place in (("a", folder), ("b", second), ("c", folder)):
        desk.generate(ask(place, name))
    desk.start()
    steps(7)
    assert [r["state"] for r in desk.requests()] == ["running", "queued", "queued"]
    steps(2)
    assert ended(desk, "a") and [r["state"] for r in desk.requests()] == ["running", "queued"]
    steps.rest()
    assert ended(desk, "b")[-1]["reason"] == ended(desk, "c")[-1]["reason"] == "finished"


def test_a_paused_request_gives_way_to_another_model(desk, folder, second, steps, monkeypatch):
    one_at_a_time(desk, monkeypatch)
    desk.generate(ask(folder, "a"))
    desk.start()
    steps(1)
    desk.pause("a")
    desk.generate(ask(second, "b"))
    steps.rest()
    assert ended(desk, "b")[-1]["reason"] == "finished"
    assert "Branch off its last step" in ended(desk, "a")[-1]["error"]


def test_a_model_that_can_never_fit_is_refused(desk, folder, steps, monkeypatch):
    monkeypatch.setattr(models_module, "free_memory", lambda where: 0.0)
    desk.generate(ask(folder, "a"))
    desk.start()
    assert "GiB are free" in ended(desk, "a")[-1]["error"]


def test_a_model_leaves_after_those_at_work_on_it(desk, folder, steps):
    desk.generate(ask(folder, "a"))
    desk.start()
    steps(1)
    desk.unload(str(folder))
    desk.generate(ask(folder, "b"))
    steps(1)
    assert desk.models.names() == [str(folder)] and desk.requests()[1]["state"] == "queued"
    steps.rest()
    assert ended(desk, "b")[-1]["reason"] == "finished"


def test_models_that_nobody_asks_for_are_released(folder, second):
    models = Models(models_module.torch.device("cpu"), "auto")
    for path in (folder, second):
        models.get(str(path))
    models.release(1000, busy=())
    assert len(models.names()) == 2
    models.release(-1, busy={str(folder)})
    assert models.names() == [str(folder)]


def test_a_worker_that_fails_is_heard_of(desk, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no worker")

    monkeypatch.setattr(desk.models, "release", broken)
    desk.check()
    desk.start()
    desk._worker.join(PATIENCE)
    with pytest.raises(RuntimeError, match="no worker"):
        desk.check()


def branch(desk, request, of, **changes):
    return {"request": request, "from": str(desk.process.run.sample(of)), **changes}


def test_a_branch_goes_on_from_a_step_of_another_text(desk, folder, steps):
    desk.start()
    steps.rest()
    desk.generate(ask(folder, "a", seed=5))
    parent = ended(desk, "a")
    desk.branch(branch(desk, "b", "a", step=3, pins={"9": "z"}, remask=[0]))
    child = ended(desk, "b")
    assert child[0]["parent"] == {"request": "a", "step": 3, "pins": {"9": 25}, "remask": [0]}
    assert (child[0]["seed"], child[0]["sampler"], child[0]["prompt"]) == (
        5,
        parent[0]["sampler"],
        "ab",
    )
    expected = trajectory.canvas_after(parent, 3)
    expected[9], expected[0] = 25, child[0]["mask_id"]
    assert child[0]["ids"] == expected
    final = trajectory.canvas_after(child)
    assert child[-1]["reason"] == "finished" and final[9] == 25 and child[0]["mask_id"] not in final
    desk.branch(branch(desk, "c", "b", step=-1, seed=8, sampler={**SAMPLER, "steps": 1}))
    grandchild = ended(desk, "c")
    assert grandchild[0]["ids"] == child[0]["ids"] and grandchild[0]["seed"] == 8


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"from": ""}, "'from' must be"),
        ({"step": "1"}, "'step' must be"),
        ({"remask": [1.5]}, "'remask' must be"),
        ({"pins": ["a"]}, "'pins' must be an object"),
        ({"pins": {"x": "a"}}, "'pins' must be an object"),
        ({"pins": {"1": None}}, "a text or an id"),
        ({"prompt": "a"}, "Unknown key 'prompt'"),
        ({"sampler": {"name": "llada", "step": 3}}, "Did you mean 'steps'"),
    ],
)
def test_a_wrong_branch_is_refused_with_a_sentence(desk, folder, steps, changes, says):
    desk.start()
    steps.rest()
    desk.generate(ask(folder, "a"))
    ended(desk, "a")
    with pytest.raises(SpecError) as caught:
        desk.branch({**branch(desk, "b", "a"), **changes})
    assert says in str(caught.value)


def test_a_branch_needs_a_canvas(desk, folder):
    with pytest.raises(JobError, match="nobody has no canvas"):
        desk.branch(branch(desk, "b", "nobody"))
    desk.process.run.sample("other").write_text("no line of a trajectory\n")
    with pytest.raises(JobError, match="cannot be read as a trajectory"):
        desk.branch(branch(desk, "b", "other"))
