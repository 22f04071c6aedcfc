# SPDX-License-Identifier: GPL-2.0-only
"""How do bars look that a browser shows without help?"""

COLOURS = ("#1f6feb", "#8b949e", "#b1bac4", "#d29922", "#a371f7")
LEFT, WIDTH, HEIGHT = 430, 460, 9


def picture(cells):
    """cells: (what it is, the bar to meet or None, [(name, number of its colour, ratio)])."""
    out, y = [], 50
    named = sorted({(colour, name) for _, _, by in cells for name, colour, _ in by})
    for i, (colour, name) in enumerate(named):
        x = LEFT + 92 * i
        out.append(f'<rect x="{x}" y="14" width="10" height="10" fill="{COLOURS[colour]}"/>'
                   f'<text x="{x + 14}" y="23">{name}</text>')
    for what, bar, by in cells:
        out.append(f'<text x="{LEFT - 8}" y="{y + 9}" text-anchor="end">{what}</text>')
        for i, (name, colour, ratio) in enumerate(by):
            top, width = y + i * HEIGHT, min(ratio, 1.1) * WIDTH
            out.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{HEIGHT - 1}" '
                       f'fill="{COLOURS[colour]}"><title>{name} {ratio:.3f}</title></rect>'
                       f'<text x="{LEFT + width + 3:.1f}" y="{top + 8}" class="n">'
                       f'{ratio:.3f}</text>')
        if bar is not None:
            x, end = f"{LEFT + bar * WIDTH:.1f}", y + len(by) * HEIGHT
            out.append(f'<line x1="{x}" x2="{x}" y1="{y - 2}" y2="{end}" stroke="#d1242f" '
                       f'stroke-width="1.5"><title>bar {bar}</title></line>')
        y += len(by) * HEIGHT + 9
    out.append(f'<text x="{LEFT}" y="{y + 12}">ratio to the raw disk; red: the bar</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 110}" '
            f'height="{y + 24}" font-family="sans-serif" font-size="11">'
            '<style>.n{font-size:8px}</style><rect width="100%" height="100%" fill="white"/>'
            + "".join(out) + "</svg>\n")
