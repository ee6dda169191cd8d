"""Side by side: lanes are sent together, in their order, each to work alone; or none is."""

from pathlib import Path

import pytest

from backend.services.lanes import Lane, side_by_side
from backend.services.question import Question
from backend.services.sampling import SamplingService
from jobs.protocol.errors import ModelError, SpecError
from tests.fakes.model_folders import make_model
from tests.fakes.processes import until

from .test_services_sampling import jobs, sampling, serve  # noqa: F401 - fixtures

ONCE = Question(prompt="Once", seed=3)


def test_lanes_arrive_in_their_order_and_ask_to_be_alone(
    sampling: SamplingService,  # noqa: F811
    jobs,  # noqa: F811
    serve,  # noqa: F811
    studio_home: Path,
):
    make_model(studio_home / "models" / "causal", dllm=False)
    lanes = [Lane(model="stories", sampler={"steps": 8}), Lane(model="causal"), Lane(model="stories")]
    handles = side_by_side(sampling, ONCE, lanes)
    assert len({handle.request for handle in handles}) == 3
    assert all("model server" in sampling.phase(handle.request) for handle in handles)
    (run,) = jobs.views
    server = serve(run)
    until(lambda: len(server.heard) == 3)
    assert [words["request"] for words in server.heard] == [handle.request for handle in handles]
    assert [Path(words["model"]).name for words in server.heard] == ["stories", "causal", "stories"]
    for words in server.heard:
        assert (words["alone"], words["prompt"], words["seed"]) == (True, "Once", 3)


@pytest.mark.parametrize(
    ("lanes", "error", "says"),
    [
        ([Lane(model="stories")], SpecError, "Give 2 to 4 lanes; given: 1"),
        ([Lane(model="stories")] * 5, SpecError, "given: 5"),
        ([Lane(model="stories"), Lane(model="none")], ModelError, "Lane B: There is no model"),
        (
            [Lane(model="stories", sampler={"name": "ar"}), Lane(model="stories")],
            SpecError,
            "Lane A: The samp",
        ),
    ],
)
def test_wrong_lanes_send_nothing(sampling: SamplingService, jobs, lanes, error, says):  # noqa: F811
    with pytest.raises(error, match=says):
        side_by_side(sampling, ONCE, lanes)
    assert not jobs.views
