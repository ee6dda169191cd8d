"""Which files are read as rows, told by their names: what readers and lists of data share."""

from pathlib import Path

KINDS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt")
"""Endings of files of rows; jobs.data.readers has a reader for each."""
PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings that may follow, of compressed files."""
IN_COLUMNS = (".parquet", ".arrow")  # compressed within, never around
LINEAGE = ".lineage.json"  # beside a version of a data set: what it came from
NOT_ROWS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
"""What `datasets` and LLaMA-Factory lay beside files of rows."""
PREPARED = "prepared.json"  # in a folder that a prepare job filled
LOCK, USED = ".lock", ".used"  # beside it: held by who writes the folder, and shared by those who read it


def kind_of(path: Path) -> str:
    """The ending that tells how a file is read: `.jsonl` of `rows.jsonl.gz`; "" where nothing reads it."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if endings and endings[-1] in PACKED:
        kind = endings[0] if len(endings) == 2 else ""
        return kind if kind in KINDS and kind not in IN_COLUMNS else ""
    return endings[-1] if endings and endings[-1] in KINDS else ""


def is_rows(path: Path) -> bool:
    """Whether a file's name is one of rows, not of what lies beside them."""
    hidden = path.name.startswith(".") or path.name in NOT_ROWS or path.name.endswith(LINEAGE)
    return bool(kind_of(path)) and not hidden


def bare_name(path: Path) -> str:
    """`rows` of `rows.jsonl.gz`."""
    name = path.name
    for ending in (*PACKED, *KINDS):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name
