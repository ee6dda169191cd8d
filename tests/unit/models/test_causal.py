"""The causal baseline: what it trains is a causal model of transformers, and stays one."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from jobs.diffusion.objectives import build_objective, training_loss
from jobs.models import causal, checkpoint
from jobs.models.bidirectional import later_token_matters
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.objective import ARObjective
from tests.fakes.small_training import MODEL, begin, go_on, losses

pytestmark = pytest.mark.thorough

LETTERS = "abcdefghijklmnopqrstuvwxyz AU:_\n"
AR = {"name": "ar-sft"}
LONGER = {"steps": 60, "batch_size": 8, "learning_rate": 2e-2, "warmup_steps": 5}


@pytest.fixture
def stock(tmp_path):
    """A causal model's folder as transformers writes it."""
    made = causal.as_causal(debug_checkpoint("a2d", character_tokenizer(LETTERS)))
    made.model.save_pretrained(tmp_path / "stock")
    made.tokenizer.save_pretrained(tmp_path / "stock")
    config = json.loads((tmp_path / "stock" / "config.json").read_text())
    config.pop("is_causal", None)
    (tmp_path / "stock" / "config.json").write_text(json.dumps(config))
    return tmp_path / "stock"


def test_its_loss_is_the_one_of_transformers(stock):
    made = causal.load(stock, "float32")
    ids = torch.randint(20, (3, 10), generator=torch.Generator().manual_seed(0))
    answers = torch.arange(10).expand(3, 10) >= torch.tensor([1, 4, 7])[:, None]
    lost = training_loss(
        build_objective(ARObjective()),
        made.model,
        ids,
        answers,
        mask_id=made.config.mask_token_id,
        shifted=True,
    )
    labels = ids.masked_fill(~answers, -100)
    expected = AutoModelForCausalLM.from_pretrained(stock)(input_ids=ids, labels=labels).loss
    torch.testing.assert_close(lost.loss, expected)


def test_a_dllm_gets_its_causal_mask_back(tmp_path):
    made = debug_checkpoint("a2d", character_tokenizer(LETTERS))
    checkpoint.save(made.model, made.tokenizer, made.config, tmp_path / "dllm")
    assert later_token_matters(checkpoint.load(tmp_path / "dllm").model, 20)
    assert not later_token_matters(causal.load(tmp_path / "dllm", "float32").model, 20)


def test_what_never_was_causal_is_refused():
    with pytest.raises(ModelError, match="ar-sft needs a decoder of text; bert was never one"):
        causal.as_causal(debug_checkpoint("bert", character_tokenizer(LETTERS)))


@pytest.mark.parametrize("start", ["stock", "new"])
def test_it_learns_to_answer_and_transformers_generates_it(start, stock, tmp_path):
    """The task is to write a letter nine times; a causal model must also know when to end."""
    model = {"path": str(stock)} if start == "stock" else {"new": MODEL}
    run = begin(tmp_path, model, objective=AR, optimisation=LONGER)
    assert go_on(run, stop_after=30) == "stopped" and go_on(run) == "succeeded"
    assert losses(run)[-1] < losses(run)[0] / 4
    assert not (run.model / "diffusion_config.json").exists()
    model = AutoModelForCausalLM.from_pretrained(run.model)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    asked = [{"role": "user", "content": "h"}]
    prompt = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    written = model.generate(
        **prompt, max_new_tokens=12, do_sample=False, pad_token_id=tokenizer.pad_token_id
    )
    assert tokenizer.decode(written[0, prompt["input_ids"].shape[1] :]) == "h" * 9 + "\n<eos>"


def test_the_same_spec_trains_a_dllm_on_the_same_rows_in_as_many_steps(tmp_path):
    found, short = {}, {**LONGER, "steps": 20}
    for name in ("ar-sft", "ddm-sft"):
        run = begin(tmp_path, objective={"name": name}, optimisation=short)
        assert go_on(run) == "succeeded"
        found[name] = losses(run)
    assert len(found["ar-sft"]) == len(found["ddm-sft"]) == short["steps"]
    assert all(loss[-1] < loss[0] for loss in found.values())


def test_prompts_to_unmask_are_refused(tmp_path):
    with pytest.raises(SpecError, match=r"report\.prompts: ar-sft trains a causal model"):
        go_on(begin(tmp_path, objective=AR, report={"prompts": ["a"]}))
