"""What a conversion needs in memory, on a checkpoint many times larger than one of its layers.

`pytest -m benchmark -s tests/benchmarks/test_conversion_memory.py` makes a mixture of experts of about 1 GB,
merges its experts and splits them again, each in a process of its own, and prints the peak of resident memory
beyond what the imports take. It asserts that the peak is below one layer, however many there are.
"""

import json
import subprocess
import sys

import pytest
import torch

from jobs.models.families import FAMILIES
from jobs.models.layout import arrange
from jobs.models.official import Skeleton, layout_for
from jobs.models.shards import Entry, write_shards
from jobs.models.source import CONFIG
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.folder import write_json
from tests.fakes.programs import environment

pytestmark = pytest.mark.benchmark
MIB = 2**20
SIZES = {
    **{"hidden_size": 512, "num_hidden_layers": 11, "num_attention_heads": 8, "num_key_value_heads": 2},
    **{"head_dim": 64, "intermediate_size": 1024, "moe_intermediate_size": 512, "num_experts": 64},
    **{"num_experts_per_tok": 4, "n_group": 8, "topk_group": 4, "max_position_embeddings": 512},
}
CONVERSION = """
import json, sys, time
from pathlib import Path
from jobs.models.convert import convert
from jobs.specs.job import ConvertSpec

def peak():  # the kernel's own high-water mark of resident memory, in bytes
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

source, target, options = sys.argv[1:]
before, start = peak(), time.monotonic()
convert(ConvertSpec(source=source, **json.loads(options)), Path(target), lambda *_: None)
print(json.dumps({"imports": before, "more": peak() - before, "seconds": time.monotonic() - start}))
"""


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """(folder of a LLaDA2 checkpoint with drawn weights, bytes in all, bytes of its largest layer)."""
    family, folder = FAMILIES["llada2"], tmp_path_factory.mktemp("mixture")
    tokenizer = character_tokenizer("abcdefghijklmnop")
    raw = {**family.debug, **SIZES, "vocab_size": len(tokenizer), "mask_token_id": tokenizer.mask_token_id}
    config = family.stock_config(raw)
    stored = arrange(Skeleton(config).shapes, layout_for(family, config, "separate"))
    entries = [Entry(tensor.name, tensor.shape, torch.bfloat16) for tensor in stored.values()]
    write_shards(
        folder, entries, lambda name: torch.randn(stored[name].shape).bfloat16(), shard_bytes=256 * MIB
    )
    write_json(folder / CONFIG, raw)
    tokenizer.save_pretrained(folder)
    layers: dict[str, int] = {}
    for entry in entries:
        layer = entry.name.split(".layers.")[-1].split(".")[0]
        layers[layer] = layers.get(layer, 0) + entry.size
    return folder, sum(entry.size for entry in entries), max(layers.values())


def run(source, out, **options):
    done = subprocess.run(
        [sys.executable, "-c", CONVERSION, source, out, json.dumps(options)],
        check=True,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_peak_memory_of_merging_and_splitting(mixture, tmp_path):
    source, size, layer = mixture
    print(f"\n{size / MIB:.0f} MiB in all, {layer / MIB:.0f} MiB a layer")
    merged, split = tmp_path / "merged", tmp_path / "split"
    for name, facts in {
        "merge": run(source, merged, target="official", layout="merged"),
        "split": run(merged, split, target="official", layout="separate"),
        "to float32": run(source, tmp_path / "wide", target="official", dtype="float32"),
    }.items():
        print(
            f"{name:>10}: {facts['more'] / MIB:.0f} MiB beyond {facts['imports'] / MIB:.0f} MiB of imports, "
            f"{facts['seconds']:.0f} s"
        )
        assert facts["more"] < layer < size / 4
