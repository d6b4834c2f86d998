"""A measured figure: what came out in each round, the limit measured in the same round, and the target.

Rounds are repeated because a shared machine disturbs single ones; what counts is the median, and of
ratios the median of each round's own ratio, because what disturbs a round disturbs its limit too.
"""
import statistics
from dataclasses import dataclass, field


def grouped(value):
    """A number as people read it: 29,400 or 4.97."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


@dataclass
class Figure:
    what: str
    unit: str
    values: list
    limit: list = field(default_factory=list)
    limit_name: str = ""
    at_least: float = None
    at_most: float = None
    share_at_least: float = None  # of the limit
    note: str = ""

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def share(self):
        return statistics.median(value / limit for value, limit in zip(self.values, self.limit))

    def targets(self):
        """(text, met) of each target."""
        if self.at_least is not None:
            yield f"≥ {grouped(self.at_least)} {self.unit}", self.median >= self.at_least
        if self.at_most is not None:
            yield f"≤ {grouped(self.at_most)} {self.unit}", self.median <= self.at_most
        if self.share_at_least is not None:
            yield f"≥ {self.share_at_least:.0%} of the limit", self.share >= self.share_at_least

    @property
    def missed(self):
        return any(not met for _, met in self.targets())

    def __str__(self):
        parts = [f"{self.what}: {grouped(self.median)} {self.unit}"]
        if len(self.values) > 1:
            parts[0] += f" ({' '.join(grouped(value) for value in self.values)})"
        if self.limit:
            parts.append(f"limit {grouped(statistics.median(self.limit))} {self.unit} ({self.limit_name})")
            parts.append(f"ratio {self.share:.0%}")
        parts += [f"target {text}: {'met' if met else 'MISSED'}" for text, met in self.targets()]
        return " · ".join(parts + ([self.note] if self.note else []))
