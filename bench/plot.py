"""A line chart as SVG: a logarithmic axis of sizes, times in milliseconds. Readable on light and dark pages."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 24, 48
LINE = 17  # between two labels
STYLE = '''
  text { font: 13px sans-serif; fill: #24292f }
  .axis { stroke: #57606a } .grid { stroke: #d0d7de }
  .s0 { stroke: #0550ae; fill: #0550ae } .s1 { stroke: #bc4c00; fill: #bc4c00 } .s2 { stroke: #1a7f37; fill: #1a7f37 }
  text.s0, text.s1, text.s2 { stroke: none }
  polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #d0d7de } .axis { stroke: #8b949e } .grid { stroke: #30363d }
    .s0 { stroke: #58a6ff; fill: #58a6ff } .s1 { stroke: #f0883e; fill: #f0883e } .s2 { stroke: #3fb950; fill: #3fb950 }
    polyline { fill: none }
  }
'''


def _step(top):
    """A round distance of about five grid lines."""
    size = 10 ** math.floor(math.log10(top / 5))
    return next(size * n for n in (1, 2, 5, 10) if size * n * 5 >= top)


def _apart(heights):
    """Where to write labels so that none covers another, from the bottom up."""
    placed, last = {}, math.inf
    for number, height in sorted(enumerate(heights), key=lambda item: -item[1]):
        placed[number] = last = min(height, last - LINE)
    return placed


def line_chart(title, sizes, series):
    """`series`: label to nanoseconds, one for each size. At most three."""
    top = max(max(values) for values in series.values()) / 1e6 * 1.1
    step = _step(top)
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size):
        return LEFT + (math.log10(size) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(ms):
        return HEIGHT - BOTTOM - ms / top * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           f'<title>{escape(title)}</title>', f'<style>{STYLE}</style>']
    for n in range(int(top / step) + 1):
        out.append(f'<line class="{"grid" if n else "axis"}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(n * step):.1f}" y2="{y(n * step):.1f}"/>'
                   f'<text x="{LEFT - 8}" y="{y(n * step) + 4:.1f}" text-anchor="end">{n * step:g}</text>')
    for size in sizes:
        out.append(f'<text x="{x(size):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{size:,}</text>')
    out.append(f'<text x="{LEFT - 8}" y="{TOP - 8}" text-anchor="end">ms</text>'
               f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">modules in the table</text>')
    labels = _apart([y(values[-1] / 1e6) for values in series.values()])
    for number, (label, values) in enumerate(series.items()):
        points = [(x(size), y(ns / 1e6)) for size, ns in zip(sizes, values)]
        out.append(f'<polyline class="s{number}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>')
        out += [f'<circle class="s{number}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in points]
        out.append(f'<text class="s{number}" x="{WIDTH - RIGHT + 10}" y="{labels[number] + 4:.1f}">{escape(label)}</text>')
    return '\n'.join([*out, '</svg>', ''])
