"""Rules of the verdicts, one module per claim: nulls, numbers of seeds, thresholds and the verdict itself.

They were fixed before anything was measured by them, and are not changed afterwards.
"""
