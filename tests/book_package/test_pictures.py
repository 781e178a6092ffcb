"""Pictures are shown sharp, with titles that have room."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from clipcompat_book.pictures import picture_grid, picture_rows


def test_small_pictures_are_enlarged_without_smoothing_and_large_ones_made_small() -> None:
    dots = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20)
    photo = Image.new("L", (400, 200), 7)
    fig = picture_grid([dots, photo], ["two by two", "grey"], columns=1)
    first, second = (_decoded(image.source) for image in fig.layout.images)
    assert first.size == (128, 128) and first.resize((2, 2), Image.Resampling.NEAREST).tobytes() == dots.tobytes()
    assert second.size == (128, 64) and second.mode == "RGB"
    assert photo.size == (400, 200), "the caller's picture is left alone"
    assert list(fig.data[0].hovertext) == ["two by two", "grey"]


def test_titles_of_two_lines_make_room_before_the_next_row() -> None:
    dots = [Image.new("RGB", (2, 2))] * 4
    one, two = (picture_grid(dots, [title] * 4, columns=2) for title in ("cat", "a\ncat"))
    assert two.layout.height - one.layout.height == 2 * 17
    for fig in (one, two):
        pixels = (fig.layout.height - fig.layout.margin.b) / 2
        title, picture = fig.layout.annotations[0], fig.layout.images[2]
        next_row = (picture.y - picture.sizey / 2) * pixels
        assert title.y * pixels + 15 * (title.text.count("<br>") + 1) < next_row


def test_an_empty_grid_is_a_figure_too() -> None:
    assert not picture_grid([], []).layout.images


def test_rows_of_pictures_have_a_name_and_titles_broken_between_words() -> None:
    dot = Image.new("RGB", (2, 2))
    fig = picture_rows({"first": [(dot, "cat"), (dot, "a very long name of a cat")], "second": [(dot, "dog")]})
    texts = [note.text for note in fig.layout.annotations]
    assert texts == ["<b>first</b>", "cat", "a very long<br>name of a cat", "<b>second</b>", "dog"]
    assert [(image.x, int(image.y)) for image in fig.layout.images] == [(0.5, 0), (1.5, 0), (0.5, 1)]
    assert fig.layout.height == 2 * picture_rows({"one": []}).layout.height


def test_many_pictures_are_embedded_small_so_that_a_page_stays_light() -> None:
    dots = Image.new("RGB", (32, 32), (9, 80, 7))
    few, many = (picture_rows({"row": [(dots, "dot")] * count}) for count in (23, 24))
    assert [_decoded(fig.layout.images[0].source).size for fig in (few, many)] == [(128, 128), (32, 32)]


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))
