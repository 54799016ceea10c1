"""From the network's square back to the image: boxes, maps, and how large the image is."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tl_keras.data import load_image, read_image
from tl_keras.data.augment.geometry import move_boxes, move_mask, to_square
from tl_keras.data.framing import Frame, frame_of
from tl_keras.errors import InputError

sides = st.integers(1, 700)
modes = st.sampled_from(["crop", "pad", "stretch"])


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.integers(1, 300), modes, st.data())
def test_boxes_there_and_back(height, width, size, resize, data):
    frame = Frame(height, width, size, resize)
    x1, x2 = sorted(data.draw(st.tuples(st.floats(0, width), st.floats(0, width))))
    y1, y2 = sorted(data.draw(st.tuples(st.floats(0, height), st.floats(0, height))))
    box = np.array([[x1, y1, x2, y2]], "float32")
    there, kept = move_boxes(box, to_square(height, width, size, resize), size, size, 0)
    back = frame.boxes(there)
    assert back.dtype == np.float32
    seen = frame.boxes(np.array([[0, 0, size, size]]))[0]  # the part of the image in the square
    expected = np.clip(box, [*seen[:2], *seen[:2]], [*seen[2:], *seen[2:]])
    np.testing.assert_allclose(back, expected[kept], atol=1e-3 * max(height, width, 1))
    if resize != "crop":
        np.testing.assert_allclose(seen, [0, 0, width, height], atol=1e-4 * max(height, width))
    assert (back[:, ::2] <= width).all() and (back[:, 1::2] <= height).all() and (back >= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 200), st.integers(20, 200), st.integers(16, 160), modes, st.data())
def test_masks_there_and_back_within_a_pixel(height, width, size, resize, data):
    if max(height, width) > 4 * min(height, width):
        return
    x, y = data.draw(st.tuples(st.integers(0, width - 8), st.integers(0, height - 8)))
    mask = np.zeros((height, width), "uint8")
    mask[y : y + 8 + height // 3, x : x + 8 + width // 3] = 3
    matrix = to_square(height, width, size, resize)
    frame = Frame(height, width, size, resize)
    back = frame.mask(move_mask(mask, matrix, (size, size)), outside=255)
    assert back.shape == mask.shape and back.dtype == mask.dtype
    # A pixel of the coarser of the two grids, either way.
    reach = int(np.ceil(max(1, 1 / matrix[0, 0], 1 / matrix[1, 1]))) + 1
    far = np.ones_like(mask, bool)  # pixels without an edge near by
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            rows = np.clip(np.arange(height) + dy, 0, height - 1)
            columns = np.clip(np.arange(width) + dx, 0, width - 1)
            far &= mask[np.ix_(rows, columns)] == mask
    left, top, right, bottom = frame.boxes(np.array([0, 0, size, size]))
    inside = np.zeros_like(far)
    inside[int(np.ceil(top)) : int(bottom), int(np.ceil(left)) : int(right)] = True
    np.testing.assert_array_equal(back[far & inside], mask[far & inside])
    cut = np.ones_like(far)
    cut[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = False
    assert (back[cut] == 255).all()
    assert resize == "crop" or not (back == 255).any()


def test_enlarged_maps_come_back_exactly():
    rng = np.random.default_rng(0)
    for height, width, resize in ((31, 47, "pad"), (31, 47, "stretch"), (47, 47, "crop")):
        values = rng.integers(0, 9, (height, width)).astype("uint8")
        square = move_mask(values, to_square(height, width, 96, resize), (96, 96))
        np.testing.assert_array_equal(Frame(height, width, 96, resize).mask(square, 255), values)


def test_numbers_and_layers_of_any_type():
    ids = np.arange(16).reshape(4, 4).astype("int32")
    back = Frame(4, 8, 4, "crop").mask(ids, -1)
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back[:, 2:6], ids)
    assert (back[:, :2] == -1).all() and (back[:, 6:] == -1).all()
    layers = Frame(8, 8, 4, "stretch").mask(np.stack([ids > 3, ids > 7], -1), 0)
    assert layers.shape == (8, 8, 2) and layers[2, 0].tolist() == [True, False]
    with pytest.raises(InputError, match=r"shape \(4, 4\) for a square of 8 px"):
        Frame(4, 8, 8, "crop").mask(ids, -1)


def test_the_square_is_that_of_the_loader():
    """A white rectangle, loaded as the network sees it, comes back to where it was."""
    for (height, width), resize in zip(
        [(601, 403), (250, 611), (97, 211)], ["crop", "pad", "stretch"], strict=True
    ):
        image = np.zeros((height, width, 3), "uint8")
        image[height // 3 : height // 2, width // 3 : width // 2] = 255
        square = load_image(image, 128, resize)
        back = frame_of(image, 128, resize).mask((square[..., 0] > 127).astype("uint8"), 0)
        found = np.argwhere(back)
        expected = [height // 3, width // 3, height // 2 - 1, width // 2 - 1]
        step = max(height, width) / 128
        np.testing.assert_allclose([*found.min(0), *found.max(0)], expected, atol=step + 1)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("turn", [1, 3, 6])
def test_how_large_a_picture_is(format, turn, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = turn
    extra = {"exif": exif} if format in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    buffer = io.BytesIO()
    Image.new("RGB", (48, 31)).save(buffer, format, **extra)
    expected = read_image(buffer.getvalue()).shape[:2]
    file = tmp_path / "picture"
    file.write_bytes(buffer.getvalue())
    for source in (buffer.getvalue(), bytearray(buffer.getvalue()), file, str(file)):
        assert frame_of(source, 8, "pad")[:2] == expected
    assert frame_of(np.zeros((3, 5, 4), "uint8"), 8) == (3, 5, 8, "crop")


def test_png_is_not_decoded_for_its_size():
    buffer = io.BytesIO()
    Image.new("L", (30, 20)).save(buffer, "PNG")
    cut = buffer.getvalue()[:60]  # header only
    assert frame_of(cut, 8)[:2] == (20, 30)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"no picture", "cannot read bytes: not an image"),
        ("no/such.jpg", r"cannot read no/such\.jpg: no such file"),
        (7, "cannot read int: expected a path"),
        (np.zeros(3, "uint8"), "array uint8 .3,.: expected"),
    ],
)
def test_what_has_no_size(source, message):
    with pytest.raises(InputError, match=message):
        frame_of(source, 8)
    with pytest.raises(InputError, match="unknown resize"):
        frame_of(np.zeros((3, 3), "uint8"), 8, "fit")
