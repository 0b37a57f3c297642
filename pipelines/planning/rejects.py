"""How many samples of a set may be rejected before it is no set that anybody wants."""

from __future__ import annotations

import threading
from collections import Counter
from fractions import Fraction

from sysnoise.manifests.plan import Plan
from sysnoise.pipelines.errors import RejectsError, lines_of
from sysnoise.pipelines.planning.receipts import Receipt, RejectedSample

RejectLimit = int | Fraction | None
"""Most samples that may be rejected: a number, a share of all samples, or None for the default."""

DEFAULT_SHARE = Fraction(1, 100)
DEFAULT_NUMBER = 10


def most_rejects(limit: RejectLimit, samples: int) -> int:
    """Return how many of some samples may be rejected; never all of them.

    By default these are 1 %, or 10 where that is more, but no more than half of the samples.
    """
    if limit is None:
        few = min(DEFAULT_NUMBER, samples // 2)
        most = max(few, int(DEFAULT_SHARE * samples))
    else:
        most = int(limit * samples) if isinstance(limit, Fraction) else limit
    return min(most, samples - 1)


class RejectCount:
    """The rejects of the shards of a plan, as their receipts come in from any thread.

    Attributes:
        reasons: number of rejected samples by reason.
    """

    def __init__(self, plan: Plan, limit: RejectLimit) -> None:
        """Begin with no shards."""
        self._total = plan.samples
        self._most = most_rejects(limit, plan.samples)
        self._done = 0
        self._first: dict[str, RejectedSample] = {}
        self._changing = threading.Lock()
        self.reasons: Counter[str] = Counter()

    def add(self, receipt: Receipt) -> None:
        """Add the shard of a receipt."""
        with self._changing:
            self._done += receipt.samples + len(receipt.rejects)
            for reject in receipt.rejects:
                self.reasons[reject.reason] += 1
                self._first.setdefault(reject.reason, reject)

    @property
    def is_over(self) -> bool:
        """Whether more samples are rejected than may be, whatever becomes of the other shards."""
        return self.reasons.total() > self._most

    def refuse(self, output_url: str) -> None:
        """Refuse to go on if more samples are rejected than may be.

        Raises:
            RejectsError: they are; the message has the commonest reasons.
        """
        if not self.is_over:
            return
        rejected = self.reasons.total()
        samples = f"{self._total} samples"
        if self._done < self._total:
            samples = f"the {self._done} samples made so far, of {self._total} in all,"
        raise RejectsError(
            f"{rejected} of {samples} are rejected in {output_url!r}, more than the {self._most} "
            "that --max-rejects allows; the commonest reasons:\n"
            f"{lines_of([self._line(*each) for each in self.reasons.most_common()])}\n"
            f"{self._remedy(rejected)}"
        )

    def _line(self, reason: str, count: int) -> str:
        first = self._first[reason]
        return f"{reason}: {count}, such as {first.source_name!r}: {first.message}"

    def _remedy(self, rejected: int) -> str:
        mend = "Mend the images and run 'sysnoise generate' again with --retry-rejects"
        if rejected == self._total:
            return f"{mend}; a set without samples is none."
        return (
            f"{mend}, or allow more with a larger --max-rejects (a number, or a share such as 5%): "
            "finished shards are kept."
        )
