"""Line plots as SVG text, by Python's standard library alone."""
import html
import math

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 44
COLOURS = ("#0b6e4f", "#c1440e", "#3d5a98", "#8a5a9e", "#777777")


def short(value):
    """A tick's label: 0.1, 5, 20k, 3M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class Axis:
    """Maps values to places between two ends, and knows round values to mark."""

    def __init__(self, values, logarithmic, begin, end):
        self.log = logarithmic and min(values) > 0
        self.begin, self.end = begin, end
        self.low, self.high = (min(values), max(values)) if self.log else (0, max(values) * 1.05 or 1)
        if self.low == self.high:
            self.high = self.low * 2
        if self.log:
            self.low, self.high = self.low / 1.1, self.high * 1.1

    def place(self, value):
        share = (math.log(value / self.low) / math.log(self.high / self.low) if self.log
                 else (value - self.low) / (self.high - self.low))
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1,) if len(decades) > 4 else (1, 2, 5) if self.high / self.low > 10 else range(1, 10)
            marks = [step * 10 ** decade for decade in decades for step in steps]
        else:
            size = 10 ** math.floor(math.log10(self.high / 4))
            step = next(size * times for times in (1, 2, 5, 10) if self.high / (size * times) <= 6)
            marks = [index * step for index in range(int(self.high / step) + 1)]
        return [mark for mark in marks if self.low <= mark <= self.high]


def plot(data):
    """The SVG of a Plot's JSON."""
    points = [point for line in data["lines"].values() for point in line]
    if not points:
        return ""
    height = HEIGHT + 18 * len(data["lines"])
    x = Axis([point[0] for point in points], data["log_x"], LEFT, WIDTH - RIGHT)
    y = Axis([point[1] for point in points], data["log_y"], HEIGHT - BOTTOM, TOP)
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(data["title"])}">']
    for mark in x.ticks():
        out.append(f'<line class="grid" x1="{x.place(mark):.1f}" x2="{x.place(mark):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                   f'<text x="{x.place(mark):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(mark)}</text>')
    for mark in y.ticks():
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.place(mark):.1f}" y2="{y.place(mark):.1f}"/>'
                   f'<text x="{LEFT - 6}" y="{y.place(mark) + 4:.1f}" text-anchor="end">{short(mark)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(data["x"])}</text>')
    out.append(f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{html.escape(data["y"])}</text>')
    for index, (name, line) in enumerate(data["lines"].items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x.place(px):.1f},{y.place(py):.1f}" for px, py in line)
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        out += [f'<circle cx="{x.place(px):.1f}" cy="{y.place(py):.1f}" r="3" fill="{colour}"><title>{html.escape(name)}: '
                f'{px:g}: {py:g}</title></circle>' for px, py in line]
        below = HEIGHT + 18 * index + 8
        out.append(f'<rect x="{LEFT}" y="{below - 9}" width="14" height="4" fill="{colour}"/>'
                   f'<text x="{LEFT + 22}" y="{below}">{html.escape(name)}</text>')
    return "\n".join(out + ["</svg>"])
