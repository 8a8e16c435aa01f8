"""The call tap of Python 3.11, which is a profile function of each thread."""

import sys
import threading

from pytest_asyncfastapi._blocking.dispatcher import Hub
from pytest_asyncfastapi._blocking.monitor_profile import ProfileTap


def test_a_thread_that_outlives_a_guard_has_the_hook_of_the_next_one_only():
    """Such as a server's: the hook of the earlier guard is not called by the new one."""
    tap = ProfileTap(Hub())
    failed = []

    def lives_on():
        try:
            tap.start(None, anew=True, patches=False)
            tap.attach()
            ended = threading.Thread(target=tap.stop)  # which leaves the hook of this thread
            ended.start()
            ended.join()
            tap.start(None, anew=True, patches=False)
            tap.attach()
            len([])
        except RecursionError as error:
            failed.append(error)
        finally:
            sys.setprofile(None)

    thread = threading.Thread(target=lives_on)
    thread.start()
    thread.join()
    assert failed == []
