"""Draws bars as SVG that reads on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

# Okabe and Ito's colours, which people who see fewer colours tell apart too.
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.n{fill:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}}"
)
_BAR, _GAP, _HEAD, _LABEL, _NUMBER = 13, 14, 30, 62, 66
_PANEL_WIDTH, _COLUMNS, _MARGIN = 430, 2, 16


class Panel(NamedTuple):
    """Bars with a scale of their own.

    Args:
        title: Above them.
        groups: The value of each series by its name, by the label of each group; at least one.
    """

    title: str
    groups: Mapping[str, Mapping[str, float]]


def drawn(title: str, panels: Sequence[Panel]) -> str:
    """Return a picture of all panels, two in a row, with one legend; values stand beside bars."""
    names = list(dict.fromkeys(n for one in panels for g in one.groups.values() for n in g))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    top = 62 + 18 * ((len(names) + 2) // 3)
    parts = [f'<text class="t" x="{_MARGIN}" y="26" style="font-size:15px">{escape(title)}</text>']
    for index, name in enumerate(names):
        x, y = _MARGIN + 290 * (index % 3), 40 + 18 * (index // 3)
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 11}">{escape(name)}</text>')
    heights = [_height(panel) for panel in panels]
    for row in range(0, len(panels), _COLUMNS):
        for column, panel in enumerate(panels[row : row + _COLUMNS]):
            parts += _panel(panel, _MARGIN + column * _PANEL_WIDTH, top, colours)
        top += max(heights[row : row + _COLUMNS])
    width = 2 * _MARGIN + _COLUMNS * _PANEL_WIDTH
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}"'
        f' height="{top}" role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _height(panel: Panel) -> int:
    return _HEAD + sum(_BAR * len(group) + _GAP for group in panel.groups.values())


def _panel(panel: Panel, left: int, top: int, colours: Mapping[str, str]) -> list[str]:
    most = max(value for group in panel.groups.values() for value in group.values())
    scale = (_PANEL_WIDTH - _LABEL - _NUMBER) / most
    parts = [f'<text class="t" x="{left}" y="{top + 12}">{escape(panel.title)}</text>']
    y = top + _HEAD - 6
    for label, group in panel.groups.items():
        parts.append(f'<text x="{left}" y="{y + 11}">{escape(label)}</text>')
        for name, value in group.items():
            x, width = left + _LABEL, max(1.0, value * scale)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{_BAR - 2}"'
                f' fill="{colours[name]}"/>'
                f'<text class="n" x="{x + width + 4:.1f}" y="{y + 10}" style="font-size:10px">'
                f"{value:,.0f}</text>"
            )
            y += _BAR
        y += _GAP
    return parts
