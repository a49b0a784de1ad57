"""Draw clusters as a PNG. Each row has a cluster's name and the images nearest to its centre."""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from embedtool.core.atomic_files import atomic_write
from embedtool.core.types import PathLike
from embedtool.errors import ImageRejected
from embedtool.explore.results import Cluster, ClusterReport
from embedtool.images.decode import thumbnail
from embedtool.images.read_file import read_source, source_of
from embedtool.report.text import fitted

SIDE = 112  # pixels of a thumbnail
GAP = 8
NAME_WIDTH = 220  # pixels on the left, for names
COLUMNS = 8
MAX_CLUSTERS = 60  # only the largest are shown; 60 rows are 7,200 pixels high


def write_clusters_png(report: ClusterReport, path: PathLike) -> None:
    """Write the largest clusters as a PNG."""
    clusters = report.clusters[:MAX_CLUSTERS]
    width = NAME_WIDTH + COLUMNS * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, 2 * GAP + 28 + len(clusters) * (SIDE + GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    left_out = len(report.clusters) - len(clusters)
    more = f", the {MAX_CLUSTERS} largest shown" if left_out else ""
    title = f"{len(report.clusters)} clusters of {len(report.members):,} images{more}"
    draw.text((GAP, GAP), f"{title}; {report.noise:,} noise", "black", ImageFont.load_default(18))
    for row, cluster in enumerate(clusters):
        _draw_cluster(sheet, draw, cluster, 2 * GAP + 28 + row * (SIDE + GAP))
    with atomic_write(Path(path)) as file:
        sheet.save(file, "PNG", optimize=True)


def _draw_cluster(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, cluster: Cluster, top: int
) -> None:
    font = ImageFont.load_default(16)
    name = fitted(cluster.name, draw, font, NAME_WIDTH - 2 * GAP)
    draw.text((GAP, top + SIDE // 2 - 20), name, "black", font)
    size = f"{cluster.size:,} images"
    draw.text((GAP, top + SIDE // 2 + 2), size, "#555555", ImageFont.load_default(14))
    for column, path in enumerate(cluster.representatives[:COLUMNS]):
        place = (NAME_WIDTH + column * (SIDE + GAP), top)
        try:
            _, data = read_source(source_of(path))
            image = Image.open(io.BytesIO(thumbnail(data, 2 * SIDE)))
        except ImageRejected:
            draw.rectangle((*place, place[0] + SIDE, top + SIDE), outline="#bbbbbb")
            continue
        side = min(image.size)
        left, upper = (image.width - side) // 2, (image.height - side) // 2
        box = (left, upper, left + side, upper + side)
        sheet.paste(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box), place)
