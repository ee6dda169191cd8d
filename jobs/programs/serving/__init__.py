"""The pieces of jobs.programs.serve."""
