"""The clocks that this plugin measures durations with, out of reach of what replaces clocks.

freezegun looks through the attributes of every imported module for the functions of `time`
and puts its own in their place. A partial is another object than the function it calls, so
it stays as it is, and it costs 2 ns a call.
"""

from __future__ import annotations

import time
from functools import partial

perf_counter = partial(time.perf_counter)
monotonic = partial(time.monotonic)
thread_time = partial(time.thread_time)
process_time = partial(time.process_time)
# Seconds since the epoch: when something was, for people.
now = partial(time.time)
