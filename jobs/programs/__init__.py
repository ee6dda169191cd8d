"""One file for each job type: `python -m jobs.programs.<kind> RUN_FOLDER`. No heavy imports here."""

PROGRAMS: dict[str, str] = {
    "train": "jobs.programs.train",
    "convert": "jobs.programs.convert",
    "prepare": "jobs.programs.prepare",
    "sample": "jobs.programs.sample",
    "serve": "jobs.programs.serve",
    "inspect": "jobs.programs.inspect",
}
