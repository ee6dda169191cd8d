"""What every family is given as attention mask, whoever makes it: under eager never a boolean one.

Eager attention adds its mask to the scores. A boolean one would be added as 0 and 1 and hide nothing.
"""

import pytest
import torch

from jobs.diffusion.objectives import OBJECTIVES, build_objective, training_loss
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.families import FAMILIES as TABLE
from jobs.specs.objective import OBJECTIVES as OPTIONS

MASKED = [name for name in FAMILIES if TABLE[name].noise == "mask"]
PATTERNS = ["bd3lm", "dfactory", "ddm", "ddm-sft", "mdlm"]
"""Block diffusion twice, annealed, and full with padding: every pattern of jobs.diffusion.attention."""
IDS = torch.randint(16, (2, 16), generator=torch.Generator().manual_seed(0))
PADDING = torch.ones_like(IDS).index_put((torch.tensor(0), torch.arange(12, 16)), torch.tensor(0))


@pytest.fixture
def eager():
    """eager(family) -> (debug checkpoint under eager attention, a list that gets every 4-D mask given)."""

    def make(name):
        made = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
        made.model.set_attn_implementation("eager")
        masks = []

        def look(module, given, named):
            tensors = [value for value in (*given, *named.values()) if isinstance(value, torch.Tensor)]
            masks.extend(value for value in tensors if value.ndim == 4 and value.shape[1] == 1)

        for module in made.model.modules():
            module.register_forward_pre_hook(look, with_kwargs=True)
        return made, masks

    return make


def test_every_objective_with_a_pattern_of_its_own_is_tried_here():
    own = {name for name in OBJECTIVES if build_objective(OPTIONS[name]()).own_pattern}
    assert own <= set(PATTERNS)


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("objective", PATTERNS)
def test_objectives_give_no_boolean_mask_to_eager_attention(objective, name, eager):
    made, masks = eager(name)
    lost = training_loss(
        build_objective(OPTIONS[objective]()),
        made.model,
        IDS,
        PADDING.bool(),
        mask_id=made.config.mask_token_id,
        shifted=made.config.shifted_logits,
        attention_mask=PADDING,
        generator=torch.Generator().manual_seed(1),
    )
    assert lost.loss.isfinite()
    assert masks and not [mask.shape for mask in masks if not mask.is_floating_point()]


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("blocks", [None, torch.arange(16).repeat(2, 1) // 4], ids=["full", "block-causal"])
def test_the_denoiser_gives_no_boolean_mask_to_eager_attention(blocks, name, eager):
    made, masks = eager(name)
    assert made.denoiser()(IDS, PADDING, blocks=blocks).isfinite().all()
    assert masks and not [mask.shape for mask in masks if not mask.is_floating_point()]
