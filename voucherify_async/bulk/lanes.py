"""Which entries may go side by side: pure.

Entries of one order go one after another, in the order in which they came. An entry waits for all earlier ones that
share a name with it, its `source_id` or its `id`. (Two entries of one order of which one names the `source_id`
alone and the other the `id` alone cannot be told to be of one order.)
"""

from collections import deque

from voucherify_async.bulk.entries import Entry


class Lanes:
    """The entries that were read and are not settled.

    Attributes:
        ready: those that may be sent, the earliest first.
        waiting: how many wait for an earlier entry of their order.
    """

    def __init__(self) -> None:
        self.ready: deque[Entry] = deque()
        self.waiting = 0
        self._last_of: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Take an entry up, behind those that it must not overtake."""
        for before in {self._last_of[name] for name in entry.names if name in self._last_of}:
            before.followers = [*(before.followers or ()), entry]
            entry.blockers += 1
        self._last_of.update(dict.fromkeys(entry.names, entry))
        if entry.blockers:
            self.waiting += 1
        else:
            self.ready.append(entry)

    def settle(self, entry: Entry) -> None:
        """Let go an entry that was done, or has failed, and those that waited for it alone."""
        for name in entry.names:
            if self._last_of.get(name) is entry:
                del self._last_of[name]
        for follower in entry.followers or ():
            follower.blockers -= 1
            if not follower.blockers:
                self.waiting -= 1
                self.ready.append(follower)
