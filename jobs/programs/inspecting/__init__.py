"""Answers of the process that looks at data."""
