"""Messages with pictures, from a request to the text."""

import pytest
from PIL import Image

from jobs.models import checkpoint
from jobs.programs.asks import Ask
from jobs.programs.branching import Branch, branch_canvas
from jobs.programs.generation import Generation, make_canvas, replies
from jobs.protocol import trajectory
from jobs.protocol.errors import DataError, SpecError
from jobs.specs.samplers import LLaDASampler
from tests.fakes.debug_models import debug_model

SAMPLER = LLaDASampler(steps=4, max_new_tokens=4, block_size=4)


@pytest.fixture(scope="module")
def seeing() -> checkpoint.Checkpoint:
    return debug_model("qwen3_vl")


@pytest.fixture
def ask(tmp_path) -> Ask:
    for number, name in enumerate(("a.png", "b.png")):
        Image.effect_noise((24, 16), 90 + 50 * number).convert("RGB").save(tmp_path / name)
    return Ask("messages", told("a.png"), pictures=tmp_path)


def told(name: str) -> list[dict]:
    return [{"role": "user", "content": [{"type": "image", "image": name}, {"type": "text", "text": "abc"}]}]


def begin(loaded, ask, lines) -> Generation:
    canvas = make_canvas(ask, loaded, SAMPLER)
    return Generation(loaded, ask.shown, canvas, SAMPLER, lines.append, request="r", model="m", seed=0)


def finish(loaded, generations) -> None:
    denoiser = loaded.denoiser()
    while not all(generation.finished for generation in generations):
        for generation, logits in replies(denoiser, generations):
            generation.run.answer(logits)
        for generation in generations:
            generation.tell()
    for generation in generations:
        generation.end("finished")


def test_a_question_about_a_picture_works_beside_one_in_words(seeing, ask, tmp_path):
    alone, beside, words = [], [], []
    finish(seeing, [begin(seeing, ask, alone)])
    finish(seeing, [begin(seeing, Ask("prompt", "abcabc"), words), begin(seeing, ask, beside)])
    assert trajectory.canvas_after(beside) == trajectory.canvas_after(alone)
    assert words[-1]["reason"] == "finished" and words[0]["pictures"] == []
    start = beside[0]
    assert start["pictures"] == [str(tmp_path / "a.png")] and start["prompt"] == "abc"
    assert start["ids"].count(seeing.model.config.image_token_id) == 6


def test_the_picture_counts(seeing, ask):
    first, second = (
        begin(seeing, Ask("messages", told(n), pictures=ask.pictures), []) for n in ("a.png", "b.png")
    )
    (_, one), (_, other) = replies(seeing.denoiser(), [first, second])
    assert (one - other).abs().max() > 1e-4


def test_a_branch_sees_the_same_picture(seeing, ask, tmp_path):
    lines = []
    finish(seeing, [begin(seeing, ask, lines)])
    file = tmp_path / "r.jsonl"
    file.write_text("".join(trajectory.encode(line) for line in lines))
    canvas, _ = branch_canvas(Branch(file, 1), seeing)
    assert canvas.pictures == (tmp_path / "a.png",)
    at = lines[0]["ids"].index(seeing.model.config.image_token_id)
    with pytest.raises(SpecError, match="picture's place"):
        branch_canvas(Branch(file, 1, remask=(at,)), seeing)


@pytest.mark.parametrize(("name", "says"), [("none.png", "there is no image"), ("../a.png", "is not under")])
def test_a_picture_that_is_not_there_is_named(seeing, ask, name, says):
    with pytest.raises(DataError, match=says):
        make_canvas(Ask("messages", told(name), pictures=ask.pictures), seeing, SAMPLER)


def test_a_model_of_text_is_asked_in_words(text_model, ask):
    with pytest.raises(DataError, match="sees no images"):
        make_canvas(ask, text_model, SAMPLER)
