"""Gate settings for tests whose few videos change by more than the default limits."""

from ingest.planning.gate import COUNTED, DEFAULT_LIMITS

OPEN_GATE = {f"GATE_{rule.name}": "1000" if rule in COUNTED else "1" for rule in DEFAULT_LIMITS}
