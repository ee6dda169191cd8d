"""Puts a finished training into assets/models: `python -m assets.bundle RUN_FOLDER NAME [--dtype bfloat16]`.

studio run assets/recipes/stories.yaml          (or python -m jobs.programs.train RUN_FOLDER)
python -m assets.bundle RUN_FOLDER stories
python -m assets.measure stories
"""

import argparse
import sys
from pathlib import Path

from jobs.models import checkpoint
from jobs.protocol.folder import RunFolder
from jobs.specs.job import TrainSpec
from jobs.specs.load import load_spec

MODELS = Path(__file__).parent / "models"
LARGEST = 3_000_000  # bytes


def bundle(source: Path, name: str, dtype: checkpoint.Dtype) -> Path:
    """Copy a checkpoint in the number format given; returns its new folder."""
    loaded = checkpoint.load(source, dtype=dtype)
    recipe = load_spec(MODELS.parent / "recipes" / f"{name}.yaml")
    assert isinstance(recipe, TrainSpec) and recipe.model.new is not None
    # The preset may have been improved by measuring after the training; the recipe has the last word.
    settings = {"sampler": recipe.model.new.sampler, "note": recipe.model.new.note}
    config = loaded.config.model_copy(update={"source": f"assets/recipes/{name}.yaml", **settings})
    folder = MODELS / name
    checkpoint.save(loaded.model, loaded.tokenizer, config, folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a run folder, or a checkpoint")
    parser.add_argument("name", help="name of the bundled model: stories, sudoku-9x9")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    given = parser.parse_args()
    run = RunFolder(given.source)
    folder = bundle(run.model if run.spec_json.is_file() else given.source, given.name, given.dtype)
    size = sum(file.stat().st_size for file in folder.iterdir())
    sys.stdout.write(f"{folder}: {size} bytes\n")
    return 0 if size < LARGEST else 1


if __name__ == "__main__":
    sys.exit(main())
