"""Whether rows can be trained on: every row comes out as a row, or as a problem that is counted.

problems   what can be wrong, by kind
lines      JSON Lines that go on after a bad line
scan       a file as rows and problems
report     all that is to know of a file before it is trained on
decide     stop at the first bad row, leave bad rows out, or put them aside in a file
"""

from jobs.data.checks.problems import KINDS, Problem

__all__ = ["KINDS", "Problem"]
