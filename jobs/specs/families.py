"""The families of dLLM checkpoints, as far as the page has to know them: names, marks, evidence.

`jobs.models.families` does the mapping; a contract test holds this table against it.
"""

import re
from collections.abc import Collection
from typing import Any, Literal

from jobs.specs.base import Spec
from jobs.specs.diffusion_config import Noise

BLOCKS = ("bd3lm", "dfactory")  # objectives that know blocks
Evidence = Literal["golden", "derived", "unverified"]


class FamilyInfo(Spec):
    """One family and the marks by which a folder of its official format is known."""

    name: str
    """The word for it."""
    title: str
    """Its name for people."""
    evidence: Evidence
    """golden: equal to the official code's recorded outputs. derived: read from the published source.
    unverified: neither."""
    classes: str = ""
    """Regular expression for the class in `architectures`."""
    tensor: str
    """Regular expression for the name of a tensor that must be there."""
    noise: Noise = "mask"
    """mask: masks stand for what is to be written, and every position sees every other. uniform: a canvas of
    random tokens is refined after an encoded text, by a class of its own."""
    key: str = ""
    """A key that must be in config.json, where class and tensors are those of a causal model."""
    objective: str = "mdlm"
    """What its models were trained with."""
    shifted: bool = False
    """Whether the output at position i - 1 predicts token i."""
    block_size: int | None = None
    """Tokens in a block, where config.json does not say it."""
    sees_images: bool = False
    """Whether its models are shown images here."""
    hub: tuple[str, ...] = ()
    """Hub ids that are known to be of it; some formats can be told by nothing else."""

    def claims(self, config: dict[str, Any], tensors: Collection[str]) -> bool:
        """Whether a folder with this config.json and these tensors is of this format.

        model_type is not looked at: published checkpoints of different families share it, and some are wrong.
        """
        named = config.get("architectures") or [""]
        if self.classes and not re.fullmatch(self.classes, str(named[0])):
            return False
        if self.key and config.get(self.key) is None:
            return False
        return any(re.match(self.tensor, name) for name in tensors)

    def training(self, config: dict[str, Any]) -> tuple[str, int | None]:
        """(objective, block size) of a folder with this config.json."""
        size = config.get("block_size") if self.objective in BLOCKS else None
        size, longest = size or self.block_size, config.get("model_length")
        if size is None or (longest is not None and size >= longest):  # one block: BD3-LM is MDLM then
            return "mdlm" if self.objective in BLOCKS else self.objective, None
        return self.objective, size


_ALL = (
    FamilyInfo(
        name="llada",
        title="LLaDA",
        evidence="golden",
        objective="llada",
        classes="LLaDAModelLM",
        tensor=r"model\.transformer\.wte\.weight$",
        hub=("GSAI-ML/LLaDA-8B-Base", "GSAI-ML/LLaDA-8B-Instruct", "GSAI-ML/LLaDA-1.5"),
    ),
    FamilyInfo(
        name="dream",
        title="Dream",
        evidence="golden",
        objective="dream",
        shifted=True,
        classes="DreamModel",
        tensor=r"model\.embed_tokens\.weight$",
        hub=("Dream-org/Dream-v0-Base-7B", "Dream-org/Dream-v0-Instruct-7B"),
    ),
    FamilyInfo(
        name="diffugpt",
        title="DiffuGPT",
        evidence="golden",
        objective="ddm",
        shifted=True,
        tensor=r"denoise_model\.h\.0\.",
        hub=("diffusionfamily/diffugpt-s", "diffusionfamily/diffugpt-m"),
    ),
    FamilyInfo(
        name="diffullama",
        title="DiffuLLaMA",
        evidence="golden",
        objective="ddm",
        shifted=True,
        tensor=r"denoise_model\.layers\.0\.",
        hub=("diffusionfamily/diffullama",),
    ),
    FamilyInfo(
        name="lladamoe",
        title="LLaDA-MoE",
        evidence="golden",
        objective="llada",
        classes="LLaDAMoEModelLM",
        tensor=r"model\.layers\.\d+\.mlp\.experts\.",
        hub=("inclusionAI/LLaDA-MoE-7B-A1B-Base", "inclusionAI/LLaDA-MoE-7B-A1B-Instruct"),
    ),
    FamilyInfo(
        name="llada2",
        title="LLaDA2",
        evidence="golden",
        objective="dfactory",
        block_size=32,
        classes="LLaDA2(1)?MoeModelLM",
        tensor=r"model\.word_embeddings\.weight$",
        hub=("inclusionAI/LLaDA2.0-mini", "inclusionAI/LLaDA2.0-flash", "inclusionAI/LLaDA2.1-mini"),
    ),
    FamilyInfo(
        name="sdar",
        title="SDAR",
        evidence="derived",
        objective="bd3lm",
        block_size=4,
        classes="SDAR(Moe)?ForCausalLM",
        tensor=r"model\.embed_tokens\.weight$",
        hub=("JetLM/SDAR-1.7B-Chat", "JetLM/SDAR-30B-A3B-Chat"),
    ),
    FamilyInfo(
        name="stable_diffcoder",
        title="Stable-DiffCoder",
        evidence="derived",
        objective="bd3lm",
        block_size=4,
        classes="StableDiffcoderForCausalLM",
        tensor=r"model\.embed_tokens\.weight$",
        hub=("ByteDance-Seed/Stable-DiffCoder-8B-Base", "ByteDance-Seed/Stable-DiffCoder-8B-Instruct"),
    ),
    FamilyInfo(
        name="efficient_dlm",
        title="Efficient-DLM",
        evidence="unverified",
        objective="bd3lm",
        block_size=32,
        classes="EfficientDLM|DiffEncoderModel",
        tensor=r"encoder\.embed_tokens\.weight$",
        hub=("nvidia/Efficient-DLM-4B", "nvidia/Efficient-DLM-8B"),
    ),
    FamilyInfo(
        name="bert",
        title="BERT",
        evidence="unverified",
        classes="(Bert|Roberta|ModernBert)ForMaskedLM",
        tensor=r"(bert|roberta|model)\.embeddings\.",
        hub=("answerdotai/ModernBERT-base",),
    ),
    FamilyInfo(
        name="qwen3_vl",
        title="Qwen3-VL",
        evidence="unverified",
        classes="Qwen3VLForConditionalGeneration",
        tensor=r"model\.visual\.",
        sees_images=True,
        key="mask_token_id",
    ),
    FamilyInfo(
        name="mdlm",
        title="MDLM",
        evidence="derived",
        classes="MDLM",
        tensor=r"backbone\.blocks\.0\.attn_qkv\.weight$",
        hub=("kuleshov-group/mdlm-owt", "kuleshov-group/mdlm-no_flashattn-fp32-owt"),
    ),
    FamilyInfo(
        name="bd3lm",
        title="BD3-LM",
        evidence="derived",
        objective="bd3lm",
        classes="BD3LM",
        tensor=r"backbone\.blocks\.0\.attn_qkv\.weight$",
        hub=tuple(f"kuleshov-group/bd3lm-owt-block_size{size}" for size in (4, 8, 16)),
    ),
    FamilyInfo(
        name="sedd",
        title="SEDD",
        evidence="derived",
        objective="sedd",
        tensor=r"blocks\.0\.attn_qkv\.weight$",
        hub=("louaaron/sedd-small", "louaaron/sedd-medium"),
    ),
    FamilyInfo(
        name="diffusion_gemma",
        title="DiffusionGemma",
        evidence="derived",
        objective="diffusion_gemma",
        noise="uniform",
        classes="DiffusionGemmaForBlockDiffusion",
        tensor=r"model\.decoder\.self_conditioning\.",
        hub=("google/diffusiongemma-26B-A4B-it",),
    ),
    FamilyInfo(
        name="a2d",
        title="AR to diffusion",
        evidence="golden",
        classes="A2D(Llama|Qwen2|Qwen3)LMHeadModel",
        tensor=r"model\.embed_tokens\.weight$",
    ),
)

FAMILIES: dict[str, FamilyInfo] = {info.name: info for info in _ALL}


def detect(config: dict[str, Any], tensors: Collection[str], name: str = "") -> str | None:
    """The family that a folder belongs to, or None. `name` is the Hub id it was asked for by, if any.

    A format that says nothing of itself (DiffuLLaMA is a plain Llama on the Hub) is known by its Hub id.
    """
    for info in _ALL:
        if info.claims(config, tensors):
            return info.name
    return next((info.name for info in _ALL if name in info.hub), None)
