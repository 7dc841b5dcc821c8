"""How many calls are best made side by side: found by trying, pure.

What is sought is the fewest calls at a time with which as many orders go through as with more. That number is not
known: it depends on the way to the service, on its load, on a limit of requests, and on this machine. So it is
    tried
out, by windows of some calls each: twice as many for as long as that brings a tenth more, else back; then, now and
then, a few more or a few fewer. When far fewer than usual go through, the number is halved (as TCP does, RFC 5681).
"""

from typing import Final, Literal

START: Final = 8
# A window is long enough to tell: so many calls for each that goes at the same time, and so many seconds.
_CALLS_EACH: Final = 3
_SECONDS: Final = 0.25
_GAIN: Final = 1.1  # what doubling must bring
_KEPT: Final = 0.97  # what fewer must leave
_COLLAPSE: Final = 0.5
_REST: Final = 8  # windows between two tries
_MORE: Final = 1.25
_FEWER: Final = 0.8


class Level:
    """The number of calls that go side by side.

    Args:
        most: never more than that.
        now: seconds, by any clock.

    Attributes:
        limit: how many are to go at the same time now.
    """

    def __init__(self, most: int, now: float) -> None:
        self.most = most
        self.limit = min(START, most)
        self._trying: Literal["more", "fewer", None] = "more"
        self._before = (self.limit, 0.0)  # the number to go back to, and what went through with it
        self._usual = 0.0
        self._next: Literal["more", "fewer"] = "more"
        self._rest = 0
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._since = now
        self._done = 0
        self._full = False

    def settled(self, now: float, in_flight: int) -> None:
        """A call has ended.

        Args:
            now: seconds.
            in_flight: calls under way until then, this one included.
        """
        self._done += 1
        self._full |= in_flight >= self.limit
        seconds = now - self._since
        if self._done < self.limit * _CALLS_EACH or seconds < _SECONDS:
            return
        # A source that gives less than is asked for tells nothing of the service.
        if self._full:
            self._judge(self._done / seconds)
        self._begin(now)

    def _judge(self, per_second: float) -> None:
        limit, before = self._before
        if self._trying == "more":
            if per_second >= before * _GAIN:
                self._try("more", min(self.most, self.limit * 2), per_second)
            else:
                self._settle_for(limit, before)
        elif self._trying == "fewer":
            if per_second >= before * _KEPT:
                self._try("fewer", max(1, int(self.limit * _FEWER)), max(per_second, before))
            else:
                self._settle_for(limit, before)
        elif per_second < self._usual * _COLLAPSE:
            self._settle_for(max(1, self.limit // 2), per_second)
        else:
            self._usual = 0.8 * self._usual + 0.2 * per_second
            self._rest -= 1
            if self._rest <= 0:
                self._try_next()

    def _try(self, what: Literal["more", "fewer"], limit: int, per_second: float) -> None:
        if limit == self.limit:
            self._settle_for(limit, per_second)
            return
        self._before = (self.limit, per_second)
        self._trying, self.limit = what, limit

    def _settle_for(self, limit: int, per_second: float) -> None:
        self._trying, self.limit = None, limit
        self._usual, self._rest = per_second, _REST

    def _try_next(self) -> None:
        what, self._next = self._next, "fewer" if self._next == "more" else "more"
        more = min(self.most, max(self.limit + 1, int(self.limit * _MORE)))
        self._try(what, more if what == "more" else max(1, int(self.limit * _FEWER)), self._usual)
