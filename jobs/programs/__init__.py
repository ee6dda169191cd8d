"""One file for each job type: `python -m jobs.programs.<kind> RUN_FOLDER`. No heavy imports here."""

PROGRAMS: dict[str, str] = {
    "train": "jobs.programs.train",
    "convert": "jobs.programs.convert",
    "sample": "jobs.programs.sample",
    "serve": "jobs.programs.serve",
}
