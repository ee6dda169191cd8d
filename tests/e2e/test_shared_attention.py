"""Ulysses: two processes that share a text see all of it, in both directions, and learn what one does."""

import multiprocessing

import pytest
import torch
import torch.distributed as dist

from jobs.data.collate import Collator
from jobs.data.encode import Sequence
from jobs.diffusion.objectives import build_objective
from jobs.models import create
from jobs.programs.training import sequence_parallel
from jobs.programs.training.corpus import Corpus
from jobs.programs.training.trainer import DiffusionLoss
from jobs.protocol.errors import SpecError
from jobs.specs.job import NewModelSpec
from jobs.specs.objective import OBJECTIVES, BD3LMObjective, DDMObjective, MDLMObjective

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]

LENGTH, CPU = 8, torch.device("cpu")


def tiny(heads: int = 4):
    config = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    config |= {"num_attention_heads": heads, "num_key_value_heads": 1, "max_position_embeddings": 64}
    return create.create(
        NewModelSpec(architecture="llama", config=config, tokenizer="characters:abcdefgh"), seed=0
    )


def corpus(*lengths: int, fill: str = "batch") -> Corpus:
    return Corpus([Sequence([1] * n) for n in lengths], [], Collator(0, fill), "text")


def batch() -> dict:
    return Collator(0, "batch")([Sequence([1 + (i + row) % 8 for i in range(LENGTH)]) for row in range(2)])


def learn(made, layout) -> tuple[float, torch.Tensor]:
    """The loss of a batch, and the gradient of all weights."""
    loss = DiffusionLoss(build_objective(MDLMObjective()), made.config, False, layout)
    result = loss(made.model, batch(), torch.Generator().manual_seed(3)).loss
    result.backward()
    gradient = torch.cat([weight.grad.flatten() for weight in made.model.parameters()])
    return result.item(), gradient


def influences(made, layout) -> torch.Tensor:
    """[own positions, L] bool: whether another token at j changes the logits at i."""
    ids = torch.arange(1, LENGTH + 1)[None]
    own, at = layout.slice(LENGTH), torch.arange(LENGTH)[None]

    def logits(ids):
        return made.model(ids[:, own], position_ids=at[:, own]).logits[0]

    with torch.no_grad():
        before = logits(ids)
        changed = [(logits(ids.index_fill(1, torch.tensor([j]), 0)) != before).any(-1) for j in range(LENGTH)]
    return torch.stack(changed, 1)


def work(rank: int, store: str, queue) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    made = tiny()
    layout = sequence_parallel.layout_of(2, CPU, rank, 2)
    sequence_parallel.share_texts(made.model, build_objective(MDLMObjective()), corpus(LENGTH), layout)
    seen = [torch.empty(LENGTH // 2, LENGTH, dtype=torch.bool) for _ in range(2)]
    dist.all_gather(seen, influences(made, layout))
    loss, gradient = learn(made, layout)
    total = torch.tensor([loss])
    dist.all_reduce(total)
    dist.all_reduce(gradient)
    if rank == 0:
        queue.put((torch.cat(seen).tolist(), total.item(), gradient.tolist()))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> tuple[list, float, list]:
    """(influences [L, L], loss, gradient) of two processes. Forked: they need not import torch again."""
    context = multiprocessing.get_context("fork")
    queue, store = context.Queue(), str(tmp_path_factory.mktemp("store") / "file")
    workers = [context.Process(target=work, args=(rank, store, queue), daemon=True) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = queue.get(timeout=120)
    for worker in workers:
        worker.join(60)
    return found


def test_every_position_sees_every_other_across_processes(shared):
    seen = torch.tensor(shared[0])
    assert seen.shape == (LENGTH, LENGTH) and bool(seen.all()), "the first half sees the second, and back"


def test_loss_and_gradient_are_those_of_one_process(shared):
    made = tiny()
    loss, gradient = learn(made, sequence_parallel.layout_of(1, CPU, 0, 1))
    assert shared[1] == pytest.approx(loss, abs=1e-5)
    torch.testing.assert_close(torch.tensor(shared[2]), gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (BD3LMObjective(), "pattern of its own"),
        (DDMObjective(anneal_steps=10), "anneal_steps 1"),
        (MDLMObjective(random_length_ratio=0.1), "random_length_ratio to 0"),
    ],
    ids=["blocks", "annealed", "cut"],
)
def test_objectives_that_cannot_be_shared_are_refused(options, remedy):
    with pytest.raises(SpecError, match=remedy):
        sequence_parallel.refuse_objective(build_objective(options))


def test_objectives_with_full_attention_can_be_shared():
    for options in (
        MDLMObjective(),
        DDMObjective(anneal_steps=1),
        OBJECTIVES["llada"](),
        OBJECTIVES["dream"](),
    ):
        sequence_parallel.refuse_objective(build_objective(options))


@pytest.mark.parametrize(
    ("texts", "remedy"),
    [(corpus(8, 6, fill="ignore"), "data.packing"), (corpus(7), "a multiple of 2")],
    ids=["padding", "odd"],
)
def test_texts_that_cannot_be_shared_are_refused(texts, remedy):
    with pytest.raises(SpecError, match=remedy):
        sequence_parallel.refuse_corpus(texts, 2)


def test_models_that_cannot_share_are_refused():
    made = tiny(heads=2)
    sequence_parallel.refuse_model(made.model, 2)
    with pytest.raises(SpecError, match="4 processes cannot share 2 heads"):
        sequence_parallel.refuse_model(made.model, 4)
    made.model.config.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(SpecError, match="a window only"):
        sequence_parallel.refuse_model(made.model, 2)
    made.model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(SpecError, match="attention must be sdpa, and this model has flash_attention_2"):
        sequence_parallel.refuse_model(made.model, 2)


def test_three_processes_cannot_make_pairs():
    with pytest.raises(SpecError, match="must divide the number of processes, 3"):
        sequence_parallel.layout_of(2, CPU, 0, 3)
