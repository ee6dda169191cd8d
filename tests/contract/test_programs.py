"""Every kind of job has a program, and finding it loads nothing heavy."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from jobs.programs import PROGRAMS
from jobs.specs.job import KINDS


def test_every_kind_of_job_has_a_program():
    assert set(PROGRAMS) == set(KINDS)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_the_program_is_there(kind):
    assert find_spec(PROGRAMS[kind]) is not None


def test_the_table_loads_nothing_heavy():
    code = "import sys, jobs.programs; sys.exit(any(m in sys.modules for m in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
