"""Draw docs/architecture.svg: the packages, and the way of a photo through them.

python docs/architecture.py
"""

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, ROW, GAP, MARGIN = 860, 64, 14, 20
LAYERS = [  # from the top; a package may use those below it
    [("cli", "commands"), ("demo", "drawn pictures")],
    [("library", "embedtool.open(...)"), ("sklearn", "a transformer")],
    [("report", "pages and pictures")],
    [("finetune", "training on labels")],
    [
        ("collection", "photos and an index"),
        ("duplicates", "the same picture"),
        ("explore", "clusters, map"),
        ("classification", "labels, probes"),
        ("interchange", "export, import"),
    ],
    [("search", "nearest vectors"), ("models", "photo to vector")],
    [("store", "the index on disk"), ("images", "bytes to pixels")],
    [("core", "types, files, locks, threads"), ("errors", "what can go wrong")],
]
WAY = ["collection", "images", "models", "store"]  # of a photo into the index
COLOURS = {
    "box": "#f3f5f7",
    "edge": "#b8c0c8",
    "text": "#1a1a1a",
    "note": "#59636e",
    "way": "#1f6feb",
}


def main() -> None:
    height = 2 * MARGIN + len(LAYERS) * (ROW + GAP) - GAP + 28
    centres: dict[str, tuple[float, float]] = {}
    boxes = []
    for number, layer in enumerate(LAYERS):
        width = (WIDTH - 2 * MARGIN - GAP * (len(layer) - 1)) / len(layer)
        top = MARGIN + number * (ROW + GAP)
        for place, (name, note) in enumerate(layer):
            left = MARGIN + place * (width + GAP)
            centres[name] = (left + width / 2, top + ROW / 2)
            edge, thickness = (COLOURS["way"], 2) if name in WAY else (COLOURS["edge"], 1)
            step = f"{WAY.index(name) + 1}  " if name in WAY else ""
            boxes.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}" rx="6" '
                f'fill="{COLOURS["box"]}" stroke="{edge}" stroke-width="{thickness}"/>'
                f'<text x="{centres[name][0]:.1f}" y="{top + 28}" fill="{COLOURS["text"]}" '
                f'font-size="15" font-weight="600">{step}{escape(name)}</text>'
                f'<text x="{centres[name][0]:.1f}" y="{top + 48}" fill="{COLOURS["note"]}" '
                f'font-size="12.5">{escape(note)}</text>'
            )
    legend = "1 to 4: the way of a photo into the index. Each package may use those below it."
    Path(__file__).with_suffix(".svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" text-anchor="middle">'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>{"".join(boxes)}'
        f'<text x="{WIDTH / 2}" y="{height - 16}" fill="{COLOURS["note"]}" font-size="12.5">'
        f"{escape(legend)}</text></svg>\n"
    )


if __name__ == "__main__":
    main()
