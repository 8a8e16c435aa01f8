"""The timeline of one test, if a report needs it: what it recorded, and what others have seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._core.redaction import redacted
from .feature import Feature

if TYPE_CHECKING:
    from .blocking import BlockingFeature
    from .concurrency import ConcurrencyFeature
    from .feature import App, TestContext
    from .upstream import UpstreamFeature
    from .virtual_time import ClockFeature


class RecordingFeature(Feature):
    """`_recording`, for one test; the recorder is the test's own, as others use its clock."""

    def __init__(
        self,
        test: TestContext,
        time: ClockFeature,
        blocking: BlockingFeature,
        upstream: UpstreamFeature,
        concurrency: ConcurrencyFeature,
    ) -> None:
        super().__init__(test)
        self._time = time
        self._blocking = blocking
        self._upstream = upstream
        self._concurrency = concurrency

    def begin(self) -> None:
        """After the guard's timer of steps, which may be there already: above it."""
        if self.test.recording is not None:
            self.test.recording.start()

    def on_loop(self) -> None:
        """Record the tasks of a trio run."""
        if self.test.recording is not None:
            self.test.recording.on_loop()

    def wrap_app(self, app: App) -> App:
        """Record its requests."""
        return app if self.test.recording is None else self.test.recording.wrap_app(app)

    def to_data(self) -> dict[str, Any]:
        """What the test did, as it goes into a report; empty where nobody wants to know."""
        if self.test.recording is None:
            return {}
        watch = self._concurrency.watch
        return self.test.recording.to_data(
            clock=self._time.created,
            seed=self.test.settings.seed if self._upstream.replay_hint() else None,
            calls=self._upstream.open_exchanges(),
            guard=self._blocking.guard,
            pools=[] if watch is None else watch.threads.pools,
            lag=self._concurrency.lag(),
        )

    def report_data(self, phase: str) -> dict[str, Any]:
        """As text: most of a report's size, and read again only if the report is written."""
        facts = self.to_data() if phase == "teardown" else {}
        return {"record": redacted(json.dumps(facts))} if facts else {}

    def end(self, *, judge: bool) -> None:
        """Record nothing more."""
        if self.test.recording is not None:
            self.test.recording.stop()
