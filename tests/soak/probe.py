"""How long the admin plane is silent at most, on a connection of its own each time."""

import time
import urllib.request

PATHS = ("/readyz", "/metrics", "/admin/models")
PAUSE_SECONDS = 0.05


def longest_silence(port, goes_on):
    """Asks as long as `goes_on` says so; the longest answer in milliseconds. An error counts as for ever."""
    longest = 0.0
    while goes_on():
        for path in PATHS:
            began = time.monotonic()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                    answer.read()
            except OSError:
                return float("inf")
            longest = max(longest, (time.monotonic() - began) * 1000)
        time.sleep(PAUSE_SECONDS)
    return longest
