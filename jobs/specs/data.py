"""Where a job's rows come from, and how they become sequences."""

from typing import Any, Literal

from pydantic import Field, model_validator

from jobs.specs.base import Spec


class DataSpec(Spec):
    """Training data: a file, a folder, a data set of the Hub, a mix of them, or rows made by a builder."""

    path: str | None = None
    """A file, folder or listed name, a Hub id with its commit (owner/name@commit), prepared data, or a mix:
    name[train:1000,test:100] + 0.5 * other."""
    builder: str | None = None
    """Instead of a file: make the rows (stories, sudoku, wordnet ...)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the builder."""
    info: str | None = None
    """A dataset_info.json of LLaMA-Factory; names in path are looked up in it first."""
    format: Literal[
        "auto", "messages", "text", "conversations", "prompt_completion", "alpaca", "input_ids"
    ] = "auto"
    """messages: conversations, the prompt is never masked. text: plain text, everything may be masked. The
    others: rows of that form alone."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Fields under other names: {prompt: question} reads the prompt from the column question."""
    template: Literal["plain", "chatml", "llama3", "gemma"] | None = None
    """Chat template for tokenizers without one of their own. None: plain."""
    answers: Literal["last", "all"] | None = None
    """Of a conversation with several turns: train the last answer, all before it being given, or all answers.
    None: as the objective's official code does (ar-sft: all, the others: last)."""
    max_length: int = Field(default=256, ge=2, le=131072)
    """Longest sequence in tokens."""
    packing: bool = True
    """Text only: join texts and cut them into full sequences; off: one text, one sequence."""
    whole_documents: bool = False
    """Packing: a text is cut only where it is longer than a sequence, so sequences may end early."""
    separate_documents: bool = False
    """Packing: texts in one sequence do not see each other, and positions start again with each."""
    append_eos: bool = True
    """End every text with the end-of-text token."""
    validation: float = Field(default=0.02, ge=0, lt=0.9)
    """Share of rows held out, chosen by hash so that it never leaks between runs."""
    limit: int | None = Field(default=None, ge=1)
    """Use at most this many rows."""
    ahead: Literal["large", "always", "never"] = "large"
    """Tokenize into files before the training, so that memory stays flat, and keep them for other trainings.
    large: from 256 MiB of text, and from the Hub. Rows with images never are."""
    ahead_folder: str | None = None
    """Where such files are kept. None: prepared/ of the home folder."""
    on_bad_rows: Literal["stop", "skip", "quarantine"] = "stop"
    """Rows that cannot be read or understood. stop: the job ends at the first. skip: they are left out.
    quarantine: left out and written to data/bad-rows.jsonl of the run. The result counts them by kind."""

    @model_validator(mode="after")
    def _one_source(self) -> "DataSpec":
        if (self.path is None) == (self.builder is None):
            raise ValueError("give either path (a file or dataset name) or builder, not both")
        if self.options and self.builder is None:
            raise ValueError("options belong to a builder; there is none")
        return self
