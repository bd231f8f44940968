"""How a command ends when it is asked to."""

import signal


def stop_at_signals() -> None:
    """Let Ctrl-C and SIGTERM end a run at once, wherever it is, with its own cleaning up.

    asyncio's own handler waits for the job to await something, which embedding does not; and without a
    handler of its own, the first process of a container does not hear SIGTERM at all.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
