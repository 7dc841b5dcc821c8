"""How many calls are best made side by side: found by trying, pure.

What is sought is the fewest calls at a time with which as many orders go through as with more. That number is not
known: it depends on the way to the service, on its load, on a limit of requests, and on this machine. So it is
tried out. Two numbers are compared by turns, a window of some calls each: what slows one window down for reasons of
its own slows down its neighbour too. The one that does better in three of five pairs is kept, or at once if that
is clear.

At first the number is doubled for as long as that brings more. Later, now and then, half as many more are tried, or
a third fewer. Requests that are sent again count against a number: a service that sheds load is not crowded. The
few calls that it begins with are made fewer only if that brings more, for they crowd nobody.
"""

from typing import Final

START: Final = 16
# A window is long enough to tell: so many calls for each that goes at the same time, and so many seconds.
_ROUNDS: Final = 3
_SECONDS: Final = 0.2
_GAIN: Final = 1.03  # what more must bring
_KEPT: Final = 0.98  # what fewer must leave, as long as they are many
_CLEAR: Final = 1.25  # needs no second look
_MAJORITY: Final = 3  # of five pairs
_REPEAT: Final = 3  # calls that each request counts for which is sent again: one that is refused waits for seconds
_UPHEAVAL: Final = 2.0  # so many times more or less than usual: all is to be found anew
_REST: Final = 16  # windows between two comparisons; twice as many each time that nothing better is found
_LONGEST_REST: Final = 128
_CLIMB: Final = 2.0
_STEP: Final = 1.5


class Level:
    """The number of calls that go side by side.

    Args:
        most: never more than that.
        repeats: requests that were sent again, until now.

    Attributes:
        limit: how many are to go at the same time now.
    """

    def __init__(self, most: int, repeats: int = 0) -> None:
        self.most = most
        self.limit = self._home = min(START, most)
        self._factor = _CLIMB
        self._upwards = True
        self._comparing = False
        self._home_rate = self._usual = 0.0
        self._won = self._lost = 0
        self._rest, self._next_rest = 1, _REST
        self._window = _Window(self.limit, repeats)

    def settled(self, now: float, in_flight: int, repeats: int) -> None:
        """A call has ended.

        Args:
            now: seconds, by any clock.
            in_flight: calls under way until then, this one included.
            repeats: requests that were sent again, or wait to be, until now.
        """
        rate = self._window.settled(now, in_flight, repeats)
        if rate is not None:
            self._judge(rate)
            self._window = _Window(self.limit, repeats)

    def _judge(self, rate: float) -> None:
        if not self._comparing:
            self._rest -= 1
            usual = self._usual or rate
            if not usual / _UPHEAVAL < rate < usual * _UPHEAVAL:
                self._upwards, self._factor, self._rest, self._next_rest = rate > usual, _CLIMB, 0, _REST
            self._usual = 0.8 * usual + 0.2 * rate
            if self._rest <= 0:
                self._compare(rate)
        elif self.limit == self._home:
            self._home_rate, self.limit = rate, self._candidate
        else:
            self._weigh(rate)

    def _compare(self, home_rate: float) -> None:
        """Begin to compare with more or with fewer."""
        self._comparing = self._candidate != self._home
        self._won = self._lost = 0
        if self._comparing:
            self._home_rate, self.limit = home_rate, self._candidate
        else:
            self._give_up()

    @property
    def _candidate(self) -> int:
        if self._upwards:
            return min(self.most, max(self._home + 1, int(self._home * self._factor)))
        return max(1, int(self._home / self._factor))

    def _weigh(self, rate: float) -> None:
        """Judge a pair of windows."""
        ratio = rate / self._home_rate
        better = ratio >= (_GAIN if self._upwards or self._home <= START else _KEPT)
        self._won += better
        self._lost += not better
        if ratio >= _CLEAR or self._won == _MAJORITY:
            self._home, self._usual, self._next_rest = self.limit, rate, _REST
            self._compare(rate)
        elif ratio <= 1 / _CLEAR or self._lost == _MAJORITY:
            self._give_up()
        else:
            self.limit = self._home

    def _give_up(self) -> None:
        """Stay with what there is for a while; then look the other way."""
        self._comparing, self.limit = False, self._home
        self._upwards, self._factor = not self._upwards, _STEP
        self._rest, self._next_rest = self._next_rest, min(_LONGEST_REST, self._next_rest * 2)


class _Window:
    """Measures what goes through with one number of calls side by side.

    Args:
        limit: the number.
        repeats: requests that were sent again, until now.
    """

    def __init__(self, limit: int, repeats: int) -> None:
        self._limit = limit
        self._repeats = repeats  # those of the way there count as well: they are the price of going there
        self._under_way = limit  # calls that began before it
        self._since = 0.0
        self._done = 0
        self._full = 0

    def settled(self, now: float, in_flight: int, repeats: int) -> float | None:
        """Count a call; at the end of the window say how many a second went through, repeats held against them."""
        if self._under_way:
            self._under_way -= in_flight <= self._limit
            self._since = now
            return None
        self._done += 1
        self._full += in_flight >= self._limit
        done, seconds = self._done, now - self._since
        # Whole rounds: a service that answers all at once would else be counted with a round more or less.
        if done % self._limit or done < self._limit * _ROUNDS or seconds < _SECONDS:
            return None
        # Calls may end all at once, and the first of them alone is seen with all the others under way.
        if self._full * self._limit >= done:
            return done / seconds * (done / (done + _REPEAT * (repeats - self._repeats)))
        # A source that gives less than is asked for tells nothing of the service.
        self._done, self._full, self._since, self._repeats = 0, 0, now, repeats
        return None
