"""The verbs after `faults.on(pattern)` for what takes time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import values
from .delay import delay
from .effect import Effect
from .point import Duration, Point, place

if TYPE_CHECKING:
    from .rule import FaultRule


class TimingFaults(Point):
    """Slow phases of an exchange, and what never comes."""

    def latency(self, duration: Duration, *, optional: bool = False) -> FaultRule:
        """Let this pass between the request and the response head.

        Args:
            duration: The time: seconds, `"3s"` or a distribution such as `"200ms±50ms"`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `duration` is not a duration.

        Example:
            ```python
            faults.on("https://pay.example/*").latency("2s").first(1)
            ```
        """
        return self._add(Effect().timed(delay=delay(duration)), optional)

    def timeline(
        self,
        *,
        dns: Duration = 0.0,
        connect: Duration = 0.0,
        tls: Duration = 0.0,
        accept: Duration = 0.0,
        head: Duration = 0.0,
        first_byte: Duration = 0.0,
        gap: Duration = 0.0,
        tail: Duration = 0.0,
        optional: bool = False,
    ) -> FaultRule:
        """Let time pass in each phase of the exchange.

        Each is a duration (seconds, `"3s"` or a distribution), 0 if it is not given. Every byte
        restarts the read timeout.

        Args:
            dns: Looking up the host's name. Spends the connect timeout.
            connect: Opening the TCP connection. Spends the connect timeout.
            tls: The TLS handshake. Spends the connect timeout.
            accept: Until the server reads. Part of the handshake where there is one, else it spends
                the read timeout.
            head: Between the request and the response head. Spends the read timeout.
            first_byte: Between the head and the first byte of the body. Spends the read timeout.
            gap: Between the pieces of the body.
            tail: Before the last byte of the body.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If one of them is not a duration.

        Example:
            ```python
            faults.on("https://pay.example/*").timeline(connect="1s", head="2s")
            ```
        """
        effect = Effect().timed(
            dns=delay(dns),
            connect=delay(connect),
            tls=delay(tls),
            accept=delay(accept),
            delay=delay(head),
            first_byte=delay(first_byte),
            gap=delay(gap),
            tail=delay(tail),
        )
        return self._add(effect, optional)

    def bandwidth(self, rate: float | str, *, optional: bool = False) -> FaultRule:
        """Send the body at this rate.

        Args:
            rate: Bytes a second, or `"16KB/s"`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `rate` is not a rate.
        """
        return self._add(Effect(bandwidth=values.rate(rate)), optional)

    def upload_rate(self, rate: float | str, *, optional: bool = False) -> FaultRule:
        """Read the request's body at this rate, steadily.

        Args:
            rate: Bytes a second, or `"16KB/s"`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `rate` is not a rate.
        """
        return self._add(Effect(upload_rate=values.rate(rate)), optional)

    def dribble(
        self, pieces: int, over: float | str, *, head: bool = False, optional: bool = False
    ) -> FaultRule:
        """Send the body, or the head, in so many pieces, spread over a time.

        Args:
            pieces: The number of pieces, 1 or more.
            over: The time from the first to the last: seconds, or `"2s"`.
            head: Cut the response head instead of the body.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `pieces` is not a count, or `over` not a duration.
        """
        paced = values.pieces((pieces, over))
        effect = Effect(head_dribble=paced) if head else Effect(dribble=paced)
        return self._add(effect, optional)

    def interim(self, times: int, each: float | str, *, optional: bool = False) -> FaultRule:
        """Send `100 Continue` so many times, each after a time, before the answer.

        Args:
            times: How many, 1 or more.
            each: The time before each: seconds, or `"2s"`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `times` is not a count, or `each` not a duration.
        """
        return self._add(Effect(interim=values.pieces((times, each))), optional)

    # What only the client's own budget ends.

    def read_timeout(self, *, optional: bool = False) -> FaultRule:
        """Never answer: the client's own read timeout has to end the call.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Example:
            ```python
            faults.on("https://pay.example/*").read_timeout().first(2)
            ```
        """
        return self._plain("read_timeout", optional)

    def stall(
        self, *, after_bytes: int | None = None, in_head: bool = False, optional: bool = False
    ) -> FaultRule:
        """Go silent: before the answer, in its head, or after so many bytes of its body.

        Args:
            after_bytes: After so many bytes of the body; before the answer if it is None.
            in_head: In the middle of the response head.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `after_bytes` is not a number of bytes.
        """
        return self._add(Effect(ending="stall", at=place(after_bytes, in_head)), optional)
