"""Metrics, traces, logs, readiness and the health report."""
