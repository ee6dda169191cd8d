"""The optimizers. BUILDERS has one function for each name of jobs.specs.optimisation.OPTIMIZERS.

A builder is given groups of parameters, with the learning rate and weight decay of each, and the model where
it wants shapes. Packages that are not the studio's own are imported where they are used; jobs.programs.
training.packages has looked for them before.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from transformers.optimization import Adafactor
from transformers.pytorch_utils import Conv1D

from jobs.programs.training.joined import Joined
from jobs.specs.job import TrainSpec
from jobs.specs.optimisation import OptimisationSpec

Group = dict[str, Any]
BETA1 = 0.9
PROJECTION = {"update_proj_gap": 200, "proj_type": "std"}  # GaLore's and APOLLO's published defaults


def build(model: nn.Module, spec: TrainSpec, decaying: set[str]) -> Optimizer:
    """The optimizer of a training for the parameters of `model` that are trained.

    `decaying`: the names of those that weight decay is for. `tuning.lora_plus` makes LoRA's second matrices
    learn faster (Hayou et al. 2024, arXiv 2402.12354).
    """
    o = spec.optimisation
    ratio = spec.tuning.lora_plus if spec.tuning.method == "lora" else 1.0
    return BUILDERS[o.optimizer](groups(model, o, decaying, ratio), o, model)


def groups(model: nn.Module, o: OptimisationSpec, decaying: set[str], ratio: float = 1.0) -> list[Group]:
    """The trained parameters as groups: matrices of layers apart from the rest, with and without decay, and
    LoRA's second matrices at `ratio` times the learning rate. Groups that would be empty are left out."""
    matrices = layer_matrices(model)
    found: dict[tuple[bool, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (".lora_B." in name, name in decaying, name in matrices)
            found.setdefault(key, []).append(parameter)
    return [
        {
            "params": found[second, decays, is_matrix],
            "lr": o.learning_rate * (ratio if second else 1.0),
            "weight_decay": o.weight_decay if decays else 0.0,
            "is_matrix": is_matrix,
        }
        for second, decays, is_matrix in sorted(found)
    ]


def layer_matrices(model: nn.Module) -> set[str]:
    """Names of the matrices inside layers: no embedding, no vocabulary matrix, no vector."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not head and module.weight.dim() == 2
    }


def adamw(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    return torch.optim.AdamW(plain(found), betas=(BETA1, o.beta2))


def adafactor(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    """With our own learning rate (Shazeer and Stern 2018, arXiv 1804.04235)."""
    return Adafactor(plain(found), lr=o.learning_rate, scale_parameter=False, relative_step=False)


def muon(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    """Muon on the matrices of layers, AdamW on the rest. Its steps are scaled to AdamW's size, so that one
    learning rate is for both (Liu et al. 2025, arXiv 2502.16982)."""
    matrices = [g for g in found if g["is_matrix"]]
    rest = [g for g in found if not g["is_matrix"]]
    parts: list[Optimizer] = []
    if matrices:
        parts.append(torch.optim.Muon(plain(matrices), lr=o.learning_rate, adjust_lr_fn="match_rms_adamw"))
    if rest:
        parts.append(adamw(rest, o, model))
    return Joined(parts)


def bitsandbytes(
    name: str, **options: Any
) -> Callable[[list[Group], OptimisationSpec, nn.Module], Optimizer]:
    """A builder of bitsandbytes' optimizer of that name."""

    def build_it(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
        import bitsandbytes as bnb  # noqa: PLC0415 - optional

        manager = bnb.optim.GlobalOptimManager.get_instance()
        for module in model.modules():  # 8-bit states make embeddings unstable (Dettmers et al. 2110.02861)
            if isinstance(module, nn.Embedding):
                manager.register_module_override(module, "weight", {"optim_bits": 32})
        made = getattr(bnb.optim, name)
        return made(plain(found), lr=o.learning_rate, betas=(BETA1, o.beta2), **options)

    return build_it


def galore(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    """Zhao et al. 2024, arXiv 2403.03507."""
    from galore_torch import GaLoreAdamW  # noqa: PLC0415 - optional
    from galore_torch.galore_projector import GaLoreProjector  # noqa: PLC0415 - optional

    torch.serialization.add_safe_globals([GaLoreProjector])  # part of the state that a checkpoint holds
    options = {"rank": o.optimizer_rank, "scale": 0.25, **PROJECTION}
    return GaLoreAdamW(projected(found, options), betas=(BETA1, o.beta2), no_deprecation_warning=True)


def apollo(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    """Zhu et al. 2024, arXiv 2412.05270."""
    from apollo_torch import APOLLOAdamW  # noqa: PLC0415 - optional
    from apollo_torch.random_projector import GradientProjector  # noqa: PLC0415 - optional

    torch.serialization.add_safe_globals([GradientProjector])
    options = {
        "rank": o.optimizer_rank,
        "proj": "random",
        "scale_type": "channel",
        "scale": 1.0,
        **PROJECTION,
    }
    return APOLLOAdamW(projected(found, options), betas=(BETA1, o.beta2))


def adam_mini(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    """Zhang et al. 2024, arXiv 2406.16793. It makes its own groups from the parameters' names."""
    from adam_mini import Adam_mini  # noqa: PLC0415 - optional

    config = model.config.get_text_config()
    heads = config.num_attention_heads
    return Adam_mini(
        named_parameters=[(n, p) for n, p in model.named_parameters() if p.requires_grad],
        lr=o.learning_rate,
        betas=(BETA1, o.beta2),
        weight_decay=o.weight_decay,
        dim=config.hidden_size,
        n_heads=heads,
        n_kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        verbose=False,
    )


def schedule_free(found: list[Group], o: OptimisationSpec, model: nn.Module) -> Optimizer:
    """Defazio et al. 2024, arXiv 2405.15682. Warmup is its own."""
    from schedulefree import AdamWScheduleFree  # noqa: PLC0415 - optional

    return AdamWScheduleFree(plain(found), betas=(BETA1, o.beta2), warmup_steps=o.warmup_steps)


def plain(found: list[Group]) -> list[Group]:
    """Groups as every optimizer takes them."""
    return [{key: value for key, value in group.items() if key != "is_matrix"} for group in found]


def projected(found: list[Group], options: Group) -> list[Group]:
    """Groups for optimizers that project gradients of matrices to a lower rank."""
    return [
        {**group, **(options if kept["is_matrix"] else {})}
        for kept, group in zip(found, plain(found), strict=True)
    ]


BUILDERS: dict[str, Callable[[list[Group], OptimisationSpec, nn.Module], Optimizer]] = {
    "adamw": adamw,
    "adamw_8bit": bitsandbytes("AdamW", optim_bits=8),
    "paged_adamw_8bit": bitsandbytes("AdamW", optim_bits=8, is_paged=True),
    "lion": bitsandbytes("Lion", optim_bits=32),
    "adafactor": adafactor,
    "muon": muon,
    "galore": galore,
    "apollo": apollo,
    "adam_mini": adam_mini,
    "schedule_free": schedule_free,
}
