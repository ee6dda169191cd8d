"""How often something comes again, in bounded memory."""

MOST = 1_000_000  # hashes that are remembered


class Repeats:
    """Counts keys that came before, by 64-bit hashes.

    Up to `most` different keys the count is exact. Beyond that it remembers an ever smaller share of them,
    those with small hashes, and multiplies: the hash decides, so a key and its repeat are both in or out.
    """

    def __init__(self, most: int = MOST):
        self.most = most
        self.share = 1.0
        self._seen: set[int] = set()
        self._found = 0.0

    def add(self, key: int) -> bool:
        """Take in a 64-bit hash; True if it is known to have come before."""
        if key >= self.share * 2**64:
            return False
        if key in self._seen:
            self._found += 1 / self.share
            return True
        self._seen.add(key)
        while len(self._seen) > self.most:
            self.share /= 2
            self._seen = {known for known in self._seen if known < self.share * 2**64}
        return False

    @property
    def count(self) -> int:
        """How many keys had come before; an estimate where not `exact`."""
        return round(self._found)

    @property
    def exact(self) -> bool:
        """Whether every key was remembered."""
        return self.share == 1.0
