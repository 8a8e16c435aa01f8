"""The markers, each with the line that `pytest --markers` shows."""

MARKERS = (
    "asyncfastapi(app=..., blocking=..., ...): settings of pytest-asyncfastapi for this test; the "
    "names are those of the ini keys without the prefix",
    "allow_blocking(*what, reason=...): blocking calls that this test may make on the event loop, "
    'such as "open", "sleep" or "package.module:function"',
    'faults(*specs): faults on the calls that the app makes, such as "https://pay.example/*: '
    'read_timeout, first=2"',
    "fault_sweep(invariant=None, faults=..., statuses=..., only='*', ...): run the test again for "
    "each upstream call and each fault on it",
    "disconnect_sweep(invariant=None, modes=..., ...): run the test again for each await of each "
    "request, at which the client leaves or the handler is cancelled",
    "schedules(seeds=100, policy='auto', start=0): run the test again in so many other orders of "
    "its tasks, each chosen by a seed; schedules('all', changes=2): in every order with at most so "
    "many changes to the ordinary one",
)
