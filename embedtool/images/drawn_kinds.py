"""The kinds of pictures that `drawn` draws. Each is a function of a random generator only."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Random = np.random.Generator
Colour = tuple[int, int, int]
SIZE = (320, 240)


def _between(random: Random, low: float, high: float) -> int:
    return int(random.uniform(low, high))


def _colour(random: Random, low: Colour, high: Colour) -> Colour:
    r, g, b = (_between(random, a, b + 1) for a, b in zip(low, high, strict=True))
    return r, g, b


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    width, height = SIZE
    slope = np.linspace(top, bottom, height)[:, None].repeat(width, 1)
    return Image.fromarray(slope.astype(np.uint8))


def _grain(picture: Image.Image, random: Random, strength: float = 6) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    noise = random.normal(0, strength, pixels.shape[:2])[..., None]
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def _ridge(random: Random, base: float, rough: float) -> list[tuple[int, int]]:
    """Return a horizon as a polygon down to the lower edge, by midpoint displacement."""
    heights: npt.NDArray[np.float64] = random.normal(base, rough, 3)
    while len(heights) < 65:
        rough *= 0.55
        middles = (heights[1:] + heights[:-1]) / 2 + random.normal(0, rough, len(heights) - 1)
        woven = np.empty(2 * len(heights) - 1)
        woven[::2], woven[1::2] = heights, middles
        heights = woven
    across = np.linspace(0, SIZE[0], len(heights)).astype(int)
    return [*zip(across.tolist(), heights.astype(int).tolist(), strict=True), SIZE, (0, SIZE[1])]


def _sunset(random: Random) -> Image.Image:
    picture = _gradient(
        _colour(random, (60, 40, 90), (110, 70, 140)),
        _colour(random, (240, 130, 50), (255, 190, 90)),
    )
    draw = ImageDraw.Draw(picture)
    horizon, x, r = _between(random, 130, 170), _between(random, 60, 260), _between(random, 18, 34)
    y = horizon - _between(random, -5, 50)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 235, 170))
    draw.rectangle((0, horizon, *SIZE), fill=_colour(random, (40, 30, 70), (70, 50, 100)))
    for _ in range(40):
        row = _between(random, horizon, SIZE[1])
        half = _between(random, 4, 30)
        middle = x + _between(random, -30, 30)
        draw.line((middle - half, row, middle + half, row), fill=(250, 180, 100), width=1)
    return _grain(picture, random)


def _mountains(random: Random) -> Image.Image:
    picture = _gradient(_colour(random, (90, 140, 200), (140, 190, 240)), (225, 235, 245))
    draw = ImageDraw.Draw(picture)
    for layer in range(4):
        shade = 165 - layer * 38 + _between(random, -8, 8)
        fill = (shade - 15, shade, shade + 12) if layer < 3 else (40, 80 + shade // 4, 45)
        draw.polygon(_ridge(random, 85 + layer * 38, 34 - layer * 6), fill=fill)
    return _grain(picture, random)


def _city(random: Random) -> Image.Image:
    picture = _gradient((8, 10, 35), _colour(random, (40, 30, 70), (90, 60, 90)))
    draw = ImageDraw.Draw(picture)
    x = -5
    while x < SIZE[0]:
        width, top = _between(random, 22, 48), _between(random, 50, 170)
        draw.rectangle(
            (x, top, x + width, SIZE[1]), fill=_colour(random, (15, 15, 25), (40, 40, 60))
        )
        for left in range(x + 4, x + width - 4, 7):
            for row in range(top + 5, SIZE[1], 10):
                if random.random() < 0.45:
                    lit = _colour(random, (200, 170, 80), (255, 230, 160))
                    draw.rectangle((left, row, left + 3, row + 5), fill=lit)
        x += width + _between(random, 0, 5)
    return _grain(picture, random, 3)


def _forest(random: Random) -> Image.Image:
    picture = _gradient(_colour(random, (170, 200, 190), (210, 225, 215)), (70, 110, 60))
    draw = ImageDraw.Draw(picture)
    for base in sorted(random.uniform(120, 250, 26)):
        x, height = _between(random, 0, SIZE[0]), base * random.uniform(0.35, 0.6)
        green = _colour(random, (10, 50, 20), (50, 110, 50))
        draw.rectangle((x - 3, base - 12, x + 3, base), fill=(70, 45, 25))
        for part in range(4):
            low = base - 8 - part * height / 5
            half = height * (0.28 - 0.05 * part)
            draw.polygon([(x - half, low), (x + half, low), (x, low - height * 0.42)], fill=green)
    return _grain(picture, random)


def _flower(random: Random) -> Image.Image:
    picture = _gradient(_colour(random, (40, 90, 40), (80, 130, 60)), (30, 70, 30))
    picture = picture.filter(ImageFilter.GaussianBlur(4))
    draw = ImageDraw.Draw(picture)
    x, y = _between(random, 120, 200), _between(random, 90, 140)
    petals, length = _between(random, 6, 14), random.uniform(60, 85)
    petal = _colour(random, (190, 40, 80), (255, 200, 255))
    draw.line((x, y, x + _between(random, -30, 30), SIZE[1]), fill=(40, 120, 40), width=8)
    for angle in np.linspace(0, 2 * np.pi, petals, endpoint=False) + random.uniform(0, 1):
        away = np.array([np.cos(angle), np.sin(angle)])
        across = away[::-1] * (-1, 1) * length * 1.9 / petals
        centre = np.array([x, y])
        outline = [
            centre + away * length * (1 - np.cos(t)) / 2 + across * np.sin(t)
            for t in np.linspace(0, 2 * np.pi, 24)
        ]
        draw.polygon([tuple(p) for p in outline], fill=petal, outline=(120, 40, 70))
    draw.ellipse(
        (x - 20, y - 20, x + 20, y + 20), fill=_colour(random, (200, 150, 20), (250, 210, 60))
    )
    return _grain(picture, random)


def _balloons(random: Random) -> Image.Image:
    picture = _gradient(_colour(random, (120, 180, 240), (160, 210, 255)), (235, 245, 255))
    draw = ImageDraw.Draw(picture)
    for _ in range(_between(random, 5, 12)):
        x, y, r = _between(random, 20, 300), _between(random, 25, 170), _between(random, 15, 30)
        fill = _colour(random, (120, 20, 20), (255, 220, 220))
        draw.line((x, y + r, x + _between(random, -15, 15), y + r + 70), fill=(90, 90, 90))
        draw.ellipse((x - r, y - r * 1.2, x + r, y + r * 1.2), fill=fill)
        draw.ellipse((x - r * 0.5, y - r * 0.8, x - r * 0.1, y - r * 0.3), fill=(255, 255, 255))
    return _grain(picture, random, 3)


def _chessboard(random: Random) -> Image.Image:
    light = _colour(random, (220, 200, 160), (255, 245, 225))
    dark = _colour(random, (50, 30, 20), (120, 80, 60))
    board = Image.new("RGB", (400, 400), light)
    draw = ImageDraw.Draw(board)
    for row in range(8):
        for column in range(8):
            x, y = column * 50, row * 50
            if (row + column) % 2:
                draw.rectangle((x, y, x + 49, y + 49), fill=dark)
            if random.random() < 0.25:
                man = (245, 245, 240) if random.random() < 0.5 else (25, 25, 25)
                draw.ellipse((x + 10, y + 10, x + 40, y + 40), fill=man, outline=(90, 90, 90))
    turned = board.rotate(
        random.uniform(-30, 30), Image.Resampling.BICUBIC, fillcolor=(110, 90, 70)
    )
    return _grain(turned.resize(SIZE, box=(40, 70, 360, 310)), random)


def _face(random: Random) -> Image.Image:
    picture = Image.new("RGB", SIZE, _colour(random, (90, 110, 130), (210, 220, 235)))
    draw = ImageDraw.Draw(picture)
    x, y, r = _between(random, 130, 190), _between(random, 105, 135), _between(random, 65, 90)
    skin = _colour(random, (240, 190, 40), (255, 225, 120))
    draw.ellipse((x - r, y - r, x + r, y + r), fill=skin, outline=(90, 60, 10), width=4)
    for side in (-1, 1):
        eye, size = x + side * r * 0.38, _between(random, 6, 14)
        draw.ellipse(
            (eye - size, y - r * 0.45, eye + size, y - r * 0.45 + 2.4 * size), fill=(30, 20, 10)
        )
    bow = (x - r * 0.55, y - r * 0.1, x + r * 0.55, y + r * 0.65)
    draw.arc(bow, 15, 165, fill=(90, 30, 20), width=_between(random, 5, 10))
    return _grain(picture, random, 4)


def _text_page(random: Random) -> Image.Image:
    picture = Image.new("RGB", SIZE, _colour(random, (225, 220, 205), (255, 252, 245)))
    draw = ImageDraw.Draw(picture)
    line = _between(random, 9, 14)
    for y in range(18, 225, line):
        x = 22
        while x < 285 and random.random() > 0.04:
            word = _between(random, 8, 40)
            for letter in range(x, x + word, 5):
                tall = _between(random, 3, line * 0.6)
                draw.rectangle((letter, y - tall, letter + 2, y), fill=(40, 38, 45))
            x += word + 6
    return _grain(picture.rotate(random.uniform(-4, 4), fillcolor=(120, 100, 80)), random)


def _brick_wall(random: Random) -> Image.Image:
    picture = Image.new("RGB", SIZE, _colour(random, (170, 165, 155), (205, 200, 190)))
    draw = ImageDraw.Draw(picture)
    tall, wide = _between(random, 16, 26), _between(random, 40, 64)
    for row, y in enumerate(range(0, SIZE[1], tall)):
        for x in range(-wide * (row % 2) // 2, SIZE[0], wide):
            brick = _colour(random, (130, 50, 35), (185, 85, 60))
            draw.rectangle((x + 2, y + 2, x + wide - 2, y + tall - 2), fill=brick)
    return _grain(picture, random, 10)


def _planet(random: Random) -> Image.Image:
    picture = Image.new("RGB", SIZE, (4, 5, 14))
    draw = ImageDraw.Draw(picture)
    for x, y, light in random.uniform((0, 0, 60), (*SIZE, 255), (220, 3)):
        draw.point((x, y), fill=(int(light),) * 3)
    x, y, r = _between(random, 100, 220), _between(random, 90, 150), _between(random, 45, 80)
    one, two = (_colour(random, (40, 40, 40), (230, 200, 220)) for _ in range(2))
    rows, columns = np.mgrid[-1 : 1 : 2j * r, -1 : 1 : 2j * r]
    bands = (np.sin(rows * random.uniform(8, 20) + columns * 0.5) + 1)[..., None] / 2
    light = (1 - ((columns + 0.4) ** 2 + (rows + 0.3) ** 2) / 2.2).clip(0, 1)[..., None]
    ball = (np.array(one) * bands + np.array(two) * (1 - bands)) * light
    disc = Image.fromarray(((rows**2 + columns**2 < 1) * 255).astype(np.uint8))
    picture.paste(Image.fromarray(ball.astype(np.uint8)), (x - r, y - r), disc)
    return picture


def _fish(random: Random) -> Image.Image:
    picture = _gradient(_colour(random, (40, 150, 190), (80, 190, 220)), (5, 40, 90))
    draw = ImageDraw.Draw(picture)
    for _ in range(_between(random, 4, 10)):
        x, y, r = _between(random, 40, 280), _between(random, 30, 210), _between(random, 14, 32)
        way = 1 if random.random() < 0.5 else -1
        fill = _colour(random, (200, 80, 20), (255, 210, 90))
        tail = [
            (x - way * r, y),
            (x - way * r * 1.8, y - r * 0.6),
            (x - way * r * 1.8, y + r * 0.6),
        ]
        draw.polygon(tail, fill=fill)
        draw.ellipse((x - r * 1.2, y - r * 0.6, x + r * 1.2, y + r * 0.6), fill=fill)
        eye = x + way * r * 0.75
        draw.ellipse((eye - 3, y - 6, eye + 3, y), fill=(10, 10, 20))
    for x, y, r in random.uniform((0, 0, 1), (*SIZE, 5), (30, 3)):
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(200, 230, 245))
    return _grain(picture, random, 4)


KINDS: dict[str, Callable[[Random], Image.Image]] = {
    "sunset": _sunset,
    "mountains": _mountains,
    "city": _city,
    "forest": _forest,
    "flower": _flower,
    "balloons": _balloons,
    "chessboard": _chessboard,
    "face": _face,
    "text page": _text_page,
    "brick wall": _brick_wall,
    "planet": _planet,
    "fish": _fish,
}
