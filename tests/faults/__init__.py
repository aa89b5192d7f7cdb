"""Faults at random moments: a command is disturbed, then given again, and must end as if nothing had been.

``python -m tests.faults`` (``make faults``) runs many trials of each command and writes a line a trial, from which it goes
on; `test_faults` runs a few.
"""
