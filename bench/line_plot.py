# SPDX-License-Identifier: MIT
"""Lines over two logarithmic axes, as SVG."""
from __future__ import annotations

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 70, 20, 50, 50
COLORS = ("#1f6fb4", "#d1622b", "#3c8d40", "#7d53a3")
HEAD = ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
        'font-family="sans-serif" font-size="12">' % ((WIDTH, HEIGHT) * 2))


def _text(x, y, text, anchor="middle", fill="#333"):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>' % (
        x, y, anchor, fill, text)


def _line(x1, y1, x2, y2):
    return '<path d="M%.1f %.1fL%.1f %.1f" stroke="#ddd"/>' % (x1, y1, x2, y2)


def plot(title, x_label, y_label, series):
    """series: name -> points (x, y), all above 0; y ticks are powers of ten."""
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high = max(high, low + 1)
    span = math.log2(xs[-1] / xs[0]) or 1

    def at_x(x):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(x / xs[0]) / span

    def at_y(y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(y) - low) / (high - low)

    out = [HEAD, '<rect width="%d" height="%d" fill="#fff"/>' % (WIDTH, HEIGHT),
           _text(WIDTH / 2, 20, title), _text(WIDTH / 2, HEIGHT - 10, x_label),
           _text(LEFT, TOP - 8, y_label, "end")]
    for x in xs:
        out += [_line(at_x(x), TOP, at_x(x), HEIGHT - BOTTOM),
                _text(at_x(x), HEIGHT - BOTTOM + 16, "%g" % x)]
    for power in range(low, high + 1):
        y = at_y(10.0 ** power)
        out += [_line(LEFT, y, WIDTH - RIGHT, y), _text(LEFT - 6, y + 4, "%g" % 10.0 ** power,
                                                        "end")]
    for n, (name, points) in enumerate(series.items()):
        color, path = COLORS[n % len(COLORS)], sorted(points)
        out.append('<path d="M%s" fill="none" stroke="%s" stroke-width="2"/>' % (
            "L".join("%.1f %.1f" % (at_x(x), at_y(y)) for x, y in path), color))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (at_x(x), at_y(y), color)
                for x, y in path]
        out.append(_text(LEFT + 12, TOP + 18 + 18 * n, name, "start", color))
    return "\n".join(out + ["</svg>", ""])
