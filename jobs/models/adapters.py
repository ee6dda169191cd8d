"""LoRA by peft: small trained matrices beside frozen ones, merged at the end (Hu et al. 2021, 2106.09685)."""

import re

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from jobs.models import quantize
from jobs.models.families import FAMILIES
from jobs.models.layers import named_modules
from jobs.protocol.errors import SpecError
from jobs.specs.tuning import TuningSpec

FAMILY, ALL = "family", "all-linear"
ROUTER = re.compile(r"(.*\.)?mlp\.gate")
"""Routers of experts: peft's all-linear takes them for layers, but a moved router undoes its experts."""
EXPERTS = ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")
"""transformers holds all experts of a layer in these two parameters, which are no modules."""


def add_lora(
    model: PreTrainedModel, tuning: TuningSpec, frozen: re.Pattern[str] | None = None, family: str = "a2d"
) -> PeftModel:
    """The model with LoRA matrices on the modules that `tuning` names; only they are trained, and copies of
    its `modules_to_save`.

    Modules whose names match `frozen` get none. `family`: the name in the checkpoint's DiffusionConfig.
    The variants: PiSSA (Meng et al. 2024, 2404.02948), rsLoRA (Kalajdzievski 2023, 2312.03732), DoRA (Liu et
    al. 2024, 2402.09353), QLoRA (Dettmers et al. 2023, 2305.14314).
    Raises: SpecError if a name fits no module or the model has no experts to train.
    """
    whole = tuning.whole_modules
    named_modules(model, whole)
    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=_targets(model, tuning.targets, family),
        exclude_modules=frozen.pattern if frozen is not None else None,
        target_parameters=_experts(model) if tuning.experts else None,
        modules_to_save=whole or None,
        ensure_weight_tying=bool(whole) and ties_words(model),
        init_lora_weights="pissa" if tuning.start == "pissa" else True,
        use_rslora=tuning.rslora,
        use_dora=tuning.dora,
        task_type=None,  # a causal-LM task type would wrap generate(), which a dLLM has not got
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    return get_peft_model(model, config)


def ties_words(model: PreTrainedModel) -> bool:
    """Whether the vocabulary matrix is the embedding: a copy of one must then stay the other's."""
    head, words = model.get_output_embeddings(), model.get_input_embeddings()
    return head is not None and head.weight is words.weight


def merge(model: PeftModel) -> PreTrainedModel:
    """The plain model with the LoRA matrices added into its weights.

    4-bit weights are first made whole again as they were trained with, so that the result is the same model.
    """
    if not quantize.is_quantized(model):
        return model.merge_and_unload()
    trained, config = get_peft_model_state_dict(model), model.peft_config[model.active_adapter]
    again = get_peft_model(quantize.dequantize(model.unload()), config)
    set_peft_model_state_dict(again, trained)
    return again.merge_and_unload()


def _targets(model: nn.Module, targets: str, family: str) -> str | list[str]:
    known = {
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    }
    if targets == FAMILY:  # an architecture that the family does not know is trained in all its layers
        named = FAMILIES.get(family, FAMILIES["a2d"]).lora_targets
        targets = ",".join(name for name in named if name in known) or ALL
    if targets == ALL:
        return _around_experts(model) or ALL
    asked = [name.strip() for name in targets.split(",") if name.strip()]
    unknown = [name for name in asked if name.rsplit(".", 1)[-1] not in known]
    if unknown or not asked:
        named = ", ".join(unknown) or repr(targets)
        raise SpecError(
            f"tuning.targets: the model has no linear module {named}; "
            f"it has {', '.join(sorted(known))}. Or write {FAMILY} or {ALL}."
        )
    return asked


def _experts(model: nn.Module) -> list[str]:
    held = [name for name in EXPERTS if any(key.endswith(name) for key, _ in model.named_parameters())]
    if not held:
        raise SpecError("tuning.experts: the model has no experts; set it to false.")
    return held


def _around_experts(model: nn.Module) -> list[str]:
    """In a model with experts, its plain linear layers (attention, dense, shared); empty in others."""
    modules = dict(model.named_modules())
    if not any(ROUTER.fullmatch(name) for name in modules):
        return []
    head = model.get_output_embeddings()
    return [name for name, module in modules.items() if isinstance(module, nn.Linear) and module is not head]
