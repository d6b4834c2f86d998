"""A measured figure: what came out in each round, the limit measured in the same round, and the target.

Rounds are repeated because a shared machine disturbs single ones; what counts is the median, and of
ratios the median of each round's own ratio, because what disturbs a round disturbs its limit too. What
stands beside a figure is a limit of the machine, or a peer that does the same work; both are measured
in the same rounds.
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
    is_peer: bool = False  # what `limit` is of
    times_at_least: float = None  # what the peer manages
    note: str = ""

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def share(self):
        return statistics.median(value / limit for value, limit in zip(self.values, self.limit))

    @property
    def ratio_text(self):
        return f"{self.share:.2f} ×" if self.is_peer else f"{self.share:.0%}"

    def targets(self):
        """(text, met) of each target."""
        if self.at_least is not None:
            yield f"≥ {grouped(self.at_least)} {self.unit}", self.median >= self.at_least
        if self.at_most is not None:
            yield f"≤ {grouped(self.at_most)} {self.unit}", self.median <= self.at_most
        if self.share_at_least is not None:
            yield f"≥ {self.share_at_least:.0%} of the limit", self.share >= self.share_at_least
        if self.times_at_least is not None:
            yield f"≥ {self.times_at_least:g} × the peer", self.share >= self.times_at_least

    @property
    def missed(self):
        return any(not met for _, met in self.targets())

    def __str__(self):
        parts = [f"{self.what}: {grouped(self.median)} {self.unit}"]
        if len(self.values) > 1:
            parts[0] += f" ({' '.join(grouped(value) for value in self.values)})"
        if self.limit:
            word = "peer" if self.is_peer else "limit"
            parts.append(f"{word} {grouped(statistics.median(self.limit))} {self.unit} ({self.limit_name})")
            parts.append(f"ratio {self.ratio_text}")
        parts += [f"target {text}: {'met' if met else 'MISSED'}" for text, met in self.targets()]
        return " · ".join(parts + ([self.note] if self.note else []))

    def to_json(self):
        return {"what": self.what, "unit": self.unit, "median": self.median, "rounds": self.values,
                "beside": {"name": self.limit_name, "kind": "peer" if self.is_peer else "limit",
                           "median": statistics.median(self.limit), "rounds": self.limit, "ratio": self.share,
                           "ratio_text": self.ratio_text} if self.limit else None,
                "targets": [{"text": text, "met": met} for text, met in self.targets()], "note": self.note}


@dataclass
class Plot:
    """Lines to be drawn: a list of points (x, y) by the name of each."""
    title: str
    x: str
    y: str
    lines: dict
    log_x: bool = False
    log_y: bool = False

    def to_json(self):
        return {"title": self.title, "x": self.x, "y": self.y, "lines": self.lines, "log_x": self.log_x, "log_y": self.log_y}

    def __str__(self):
        return "\n  ".join([f"{self.title} ({self.x}: {self.y})"] + [
            f"  {name}: " + ", ".join(f"{grouped(x)}: {grouped(y)}" for x, y in points) for name, points in self.lines.items()])


def interleaved(rounds, measures):
    """Calls every measure once a round, A B A B, so that what disturbs the machine disturbs all; lists by name."""
    results = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            results[name].append(measure())
    return results
