"""What is measured, as people read it: shares, durations, latencies, times. Pure."""

from datetime import UTC, datetime

_MINUTE, _HOUR = 60, 3600


def share(part: float) -> str:
    """Say a share from 0 to 1 in per cent; 100% is all of it and 0% none."""
    percent = round(part * 100)
    if percent == 100 and part < 1:  # noqa: PLR2004 - per cent.
        return "over 99%"
    return "under 1%" if percent == 0 and part > 0 else f"{percent}%"


def lasting(seconds: float) -> str:
    """Say how long something took: `0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`."""
    tenths = max(0.0, round(seconds, 1))
    if tenths < 10:  # noqa: PLR2004 - seconds.
        return f"{tenths:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE} min"


def latency(seconds: float) -> str:
    """Say a latency in two digits: `4.2 ms`, `35 ms`, `120 ms`, `1.2 s`."""
    thousandths = float(f"{seconds * 1000:.2g}")
    return f"{thousandths:g} ms" if thousandths < 1000 else f"{thousandths / 1000:g} s"  # noqa: PLR2004


def moment(at: datetime) -> str:
    """Say when something was, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
