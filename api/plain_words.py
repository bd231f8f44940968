"""Times, dates, lengths and numbers as people say them. Pure."""

from datetime import datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_DAYS_TOLD = 45


def clock(seconds: float) -> str:
    """Write a place in a video: `1:05`, `1:00:05`."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(moment: datetime) -> str:
    """Write a date: `3 Sep 2022`."""
    return f"{moment.day} {moment:%b} {moment.year}"


def ago(then: datetime, now: datetime) -> str:
    """Say how long ago something was; what is long ago by its date."""
    passed = max(timedelta(), now - then)
    seconds = passed.total_seconds()
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{counted(int(seconds // _MINUTE), 'minute')} ago"
    if seconds < _DAY:
        return f"{counted(int(seconds // _HOUR), 'hour')} ago"
    if passed.days > _DAYS_TOLD:
        return f"on {day(then)}"
    return "yesterday" if passed.days == 1 else f"{passed.days} days ago"


def counted(number: int, noun: str) -> str:
    """Count things: `1 video`, `1,204 videos`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
