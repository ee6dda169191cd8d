"""sample and chat against a model server that answers at once."""

import io
import json
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from jobs.protocol.trajectory import encode
from studio.cli import main as front


class Server:
    """Stands for a Studio: remembers what it is asked, answers `answer N`, counts its serve jobs."""

    def __init__(self, folder):
        self.folder = folder
        self.models = self.jobs = self.sampling = self
        self.asked, self.stopped, self.serving = [], [], []
        self.pictures = folder / "pictures"
        self.view = SimpleNamespace(
            name="m", task="text", chat=True, sees_images=True, sampler={"name": "llada", "steps": 8}
        )
        self.failure = None

    def get(self, name):
        return self.serving[0] if name == "serve-0001" else self.view

    def list(self, kinds):
        return self.serving

    def stop(self, id):
        self.stopped.append(id)

    def wait(self, id, timeout):
        pass

    def phase(self, request):
        return ""

    def generate(self, **request):
        self.serving = [SimpleNamespace(id="serve-0001", active=True)]
        self.asked.append(json.loads(json.dumps(request)))
        number = len(self.asked)
        start = {"type": "start", "mask_id": 9, "length": 2, "prompt_length": 1, "ids": [1, 9]}
        start |= {"texts": ["so", ""], "given": [0], "grid": None}
        end = {"type": "end", "reason": "finished", "nfe": 3, "seconds": 0.5, "text": f"answer {number}"}
        if self.failure:
            start, end = {}, {"type": "end", "reason": "error", "error": self.failure}
        path = self.folder / f"serve-0001_{number}.jsonl"
        path.write_text("".join(encode(line) for line in (start, end) if line))
        return SimpleNamespace(request=path.stem, job_id="serve-0001", path=str(path), phase="sending")

    def branch(self, source, **changes):
        return self.generate(source=source, **changes)

    def find(self, request):
        return self.folder / f"{request}.jsonl"


@pytest.fixture
def server(tmp_path, monkeypatch):
    made = Server(tmp_path)

    @contextmanager
    def services(home, schedule=False):
        assert schedule  # without a server the command itself must start the model
        yield made

    monkeypatch.setattr("studio.cli.sample.services", services)
    monkeypatch.setattr("studio.cli.chat.services", services)
    return made


@pytest.fixture
def studio(monkeypatch, capsys):
    def call(*words, typed=""):
        monkeypatch.setattr(sys, "argv", ["studio", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as left:
            front.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def test_the_preset_is_kept_but_for_what_is_given(server, studio):
    code, out, _ = studio("sample", "m", "--prompt", "Once", "--plain", "--seed", "4")
    assert (code, out) == (0, "answer 1\n")
    assert server.asked == [{"model": "m", "prompt": "Once", "sampler": None, "seed": 4}]
    studio("sample", "m", "--prompt", "Once", "--steps", "4", "--set", "cfg_scale=1.5")
    assert server.asked[1]["sampler"] == {"name": "llada", "steps": 4, "cfg_scale": 1.5}


@pytest.mark.parametrize(
    ("task", "text", "form"),
    [("text", "Once", "prompt"), ("text", "A ____ sat", "infill"), ("grid", "3.2.", "grid")],
)
def test_gaps_are_filled_and_grids_solved(server, studio, task, text, form):
    server.view.task, server.view.chat = task, False
    assert studio("sample", "m", "--prompt", text)[0] == 0
    assert server.asked[0][form] == text


def test_a_chat_model_is_asked_as_in_a_file_of_prompts(server, studio):
    assert studio("sample", "m", "--prompt", "Who?")[0] == 0
    assert server.asked[0]["messages"] == [{"role": "user", "content": "Who?"}]


def test_pictures_are_shown_before_the_words(server, studio, tmp_path):
    for name in ("cat.png", "dog.JPG"):
        (tmp_path / name).write_bytes(name.encode())
    images = ("--image", str(tmp_path / "cat.png"), "--image", str(tmp_path / "dog.JPG"))
    assert studio("sample", "m", "--prompt", "Which?", *images)[0] == 0
    (said,) = server.asked[0]["messages"]
    *shown, words = said["content"]
    assert said["role"] == "user" and words == {"type": "text", "text": "Which?"}
    kept = [(server.pictures / part["image"]).read_bytes() for part in shown]
    assert kept == [b"cat.png", b"dog.JPG"]


@pytest.mark.parametrize(
    ("view", "words", "says"),
    [
        ({"sees_images": False}, [], "m sees no images"),
        ({"chat": False}, [], "no chat template"),
        ({}, ["--plain"], "leave --plain out"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_a_sentence(server, studio, tmp_path, view, words, says):
    (tmp_path / "cat.png").touch()
    vars(server.view).update(view)
    code, _, err = studio("sample", "m", "--prompt", "x", "--image", str(tmp_path / "cat.png"), *words)
    assert code == 2 and says in err and not server.asked


def test_the_model_server_leaves_with_the_command_unless_it_is_kept_or_was_there(server, studio):
    studio("sample", "m", "--prompt", "x")
    assert server.stopped == ["serve-0001"]
    studio("sample", "m", "--prompt", "x")  # it was there before
    assert server.stopped == ["serve-0001"]
    server.serving = []
    studio("sample", "m", "--prompt", "x", "--keep")
    assert server.stopped == ["serve-0001"]


def test_what_the_server_refuses_is_a_sentence(server, studio):
    server.failure = "The prompt is longer than the model's 81 positions."
    code, out, err = studio("sample", "m", "--prompt", "x")
    assert (code, out, err) == (2, "", f"studio: {server.failure}\n")
    assert server.stopped == ["serve-0001"]


def test_json_tells_what_was_asked_and_what_came(server, studio):
    answer = json.loads(studio("sample", "m", "--prompt", "x", "--json")[1])
    assert answer == {
        "request": "serve-0001_1",
        "model": "m",
        "prompt": "x",
        "text": "answer 1",
        "seed": 0,
        "forward_passes": 3,
        "seconds": 0.5,
    }


def test_words_are_forced_where_they_are_told_to_stand(server, studio):
    forced = ("--constrain", "0:Once, 5:upon", "--constrain", "7:a time", "--prefix", "So", "--suffix", "!")
    assert studio("sample", "m", "--prompt", "x", "--plain", *forced)[0] == 0
    assert server.asked[0]["constraints"] == {"0": "Once", "5": "upon", "7": "a time"}
    assert (server.asked[0]["prefix"], server.asked[0]["suffix"]) == ("So", "!")


def test_a_branch_is_asked_for_with_the_settings_of_its_sample(server, studio):
    start = {"type": "start", "model": "/m", "prompt": "x", "seed": 3, "sampler": {"steps": 8}}
    (server.folder / "serve-0001_z.jsonl").write_text(encode(start))
    edits = ("--step", "2", "--pin", "4:upon", "--remask", "6, 8-9", "--steps", "4")
    code, out, _ = studio("sample", "--from", "serve-0001_z", *edits, "--json")
    assert code == 0 and server.asked == [
        {
            "source": "serve-0001_z",
            "step": 2,
            "pins": {"4": "upon"},
            "remask": [6, 8, 9],
            "sampler": {"steps": 4},
            "seed": None,
        }
    ]
    told = json.loads(out)
    assert (told["parent"], told["model"], told["seed"]) == ("serve-0001_z", "/m", 3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("m",), "Give one of --prompt"),
        (("m", "--prompt", "x", "--from", "z"), "Give one of --prompt"),
        (("m", "--from", "z"), "leave it out"),
        (("--prompt", "x"), "Name a model"),
        (("m", "--prompt", "x", "--step", "2"), "go with --from"),
        (("--from", "z", "--prefix", "x"), "go with --prompt"),
        (("m", "--prompt", "x", "--constrain", "upon"), "as in 5:upon"),
        (("m", "--prompt", "x", "--constrain", "5:a, 5:b"), "position 5 twice"),
        (("--from", "z", "--remask", "9-"), "as in 3 or 3-9"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(server, studio, words, says):
    code, _, err = studio("sample", *words)
    assert code == 2 and says in err and not server.asked


def test_a_chat_remembers_until_it_is_told_to_start_again(server, studio):
    code, out, _ = studio("chat", "m", typed="Hello\n\n  \nAnd then?\n/new\nAgain\n/quit\nnever said\n")
    assert code == 0 and "answer 1" in out and "answer 3" in out
    said = [[m["content"] for m in request["messages"]] for request in server.asked]
    assert said == [["Hello"], ["Hello", "answer 1", "And then?"], ["Again"]]
    assert server.stopped == ["serve-0001"]


def test_a_model_without_a_chat_template_says_what_it_is_for(server, studio):
    server.view.chat = False
    code, _, err = studio("chat", "m")
    assert code == 2 and "studio sample m" in err
