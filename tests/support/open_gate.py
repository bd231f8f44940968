"""The environment of tests whose few videos change by more than the gate lets through."""

OPEN_GATE = {
    "GATE_FEWER_VIDEOS": "1",
    "GATE_LESS_COVERAGE": "1",
    "GATE_LOST_TRANSCRIPTS": "1",
    "GATE_SHARED_TRANSCRIPTS": "1000",
    "GATE_REPEATED_IDS": "1",
}
