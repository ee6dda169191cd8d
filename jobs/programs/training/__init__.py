"""The pieces of jobs.programs.train."""
