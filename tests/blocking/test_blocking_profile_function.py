"""The call monitor of Python 3.11, which is a profile function of each thread."""

import sys
import threading

from pytest_asyncfastapi._blocking.dispatcher import Dispatcher
from pytest_asyncfastapi._blocking.monitor_profile import CallProfileMonitor


def test_a_thread_that_outlives_a_guard_has_only_the_hook_of_the_next_one():
    """Such as a server's: the hook of the earlier guard is not called by the new one."""
    monitor = CallProfileMonitor(Dispatcher())
    failed = []

    def lives_on():
        try:
            monitor.start(None, restart_all=True, patches_functions=False)
            monitor.attach()
            ended = threading.Thread(target=monitor.stop)  # which leaves the hook of this thread
            ended.start()
            ended.join()
            monitor.start(None, restart_all=True, patches_functions=False)
            monitor.attach()
            len([])
        except RecursionError as error:
            failed.append(error)
        finally:
            sys.setprofile(None)

    thread = threading.Thread(target=lives_on)
    thread.start()
    thread.join()
    assert failed == []
