"""Resizing: shapes, geometry, antialiasing, and what the codec's own reduction changes."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tl_keras.data import load_image, read_image, resize_image
from tl_keras.errors import InputError

MODES = ["crop", "pad", "stretch"]


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    size=st.integers(1, 96),
    mode=st.sampled_from(MODES),
    grey=st.integers(0, 255),
)
def test_any_size_becomes_the_square_and_a_flat_image_stays_flat(width, height, size, mode, grey):
    image = np.full((height, width, 3), grey, np.uint8)
    result = resize_image(image, size, mode)
    assert result.shape == (size, size, 3) and result.dtype == np.uint8
    if mode == "pad":
        inside = [max(1, round(side * size / max(width, height))) for side in (height, width)]
        assert (result == grey).all(-1).sum() >= inside[0] * inside[1]
        assert set(np.unique(result)) <= {0, grey}
    else:
        assert (result == grey).all()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(8, 200),
    height=st.integers(8, 200),
    size=st.integers(8, 64),
    mode=st.sampled_from(MODES),
)
def test_a_mirrored_image_gives_the_mirrored_result(width, height, size, mode):
    image = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    one = resize_image(image, size, mode).astype(int)
    other = resize_image(image[:, ::-1], size, mode)[:, ::-1].astype(int)
    if mode == "pad":  # an odd border is one pixel wider on one side: compare what is inside
        one, other = np.sort(one, axis=1), np.sort(other, axis=1)
    assert np.abs(one - other).max() <= 1


def ramp(width: int, height: int) -> np.ndarray:
    x = np.linspace(0, 255, width)[None, :]
    y = np.linspace(0, 255, height)[:, None]
    planes = np.broadcast_arrays(x + 0 * y, y + 0 * x, 0 * x + 0 * y + 128)
    return np.rint(np.stack(planes, -1)).astype(np.uint8)


def test_crop_keeps_the_centre_and_the_aspect():
    result = resize_image(ramp(400, 200), 100, "crop")
    assert abs(int(result[50, 0, 0]) - 64) <= 2 and abs(int(result[50, -1, 0]) - 191) <= 2
    assert result[0, 50, 1] <= 2 and result[-1, 50, 1] >= 253


def test_pad_keeps_every_pixel_and_the_aspect():
    result = resize_image(ramp(400, 200), 100, "pad")
    assert (result[:25] == 0).all() and (result[75:] == 0).all()
    assert result[50, 0, 0] <= 3 and result[50, -1, 0] >= 252 and (result[25:75, :, 2] == 128).all()


def test_stretch_keeps_every_pixel():
    result = resize_image(ramp(400, 200), 100, "stretch")
    assert result[50, 0, 0] <= 3 and result[50, -1, 0] >= 252
    assert result[0, 50, 1] <= 3 and result[-1, 50, 1] >= 252


@pytest.mark.parametrize("mode", ["crop", "stretch"])
def test_fine_stripes_become_grey_not_moire(mode):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    result = resize_image(stripes, 50, mode)
    assert abs(result.mean() - 127.5) < 2 and result.std() < 12


def photograph(width: int, height: int) -> Image.Image:
    """Noise with the 1/f spectrum of natural images, and a few hard edges."""
    random = np.random.default_rng(0)
    fx, fy = np.fft.fftfreq(width)[None, :], np.fft.fftfreq(height)[:, None]
    amplitude = 1 / np.maximum(np.hypot(fx, fy), 1 / width)
    planes = []
    for _ in range(3):
        wave = np.fft.ifft2(np.fft.fft2(random.normal(size=(height, width))) * amplitude).real
        planes.append(127 + 45 * wave / wave.std())
    pixels = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 240, 20)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [40, 64, 100, 160, 280, 400])
def test_the_result_is_near_pillows_antialiased_one(size):
    image = photograph(360, 270)
    pillow = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).astype(float)
    difference = np.abs(resize_image(np.asarray(image), size, "stretch") - pillow)
    # The nearer to full size, the more of this very grainy picture hangs on the filter's shape.
    assert difference.mean() < (1.0 if size < 160 else 2.0)
    assert np.percentile(difference, 99) <= (6 if size < 160 else 10)


@pytest.mark.parametrize("mode", MODES)
def test_reduced_jpeg_decoding_agrees_with_full_decoding(mode):
    buffer = io.BytesIO()
    photograph(1600, 1200).save(buffer, "JPEG", quality=92)
    reduced = load_image(buffer.getvalue(), 128, mode).astype(float)
    full = resize_image(read_image(buffer.getvalue()), 128, mode).astype(float)
    difference = np.abs(reduced - full)
    assert 0 < difference.mean() < 1.0  # 0 would mean that nothing was reduced
    assert np.percentile(difference, 99) <= 8


@pytest.mark.parametrize("mode", MODES)
def test_a_panorama_and_a_line(mode):
    for width, height in ((5000, 3), (1, 4000), (1, 1)):
        assert resize_image(np.zeros((height, width, 3), np.uint8), 32, mode).shape == (32, 32, 3)


def test_bad_arguments():
    image = np.zeros((4, 4, 3), np.uint8)
    for size in (0, -1, 2.5, True, "224"):
        with pytest.raises(InputError, match="image size"):
            resize_image(image, size)
    with pytest.raises(InputError, match="crop, pad, stretch"):
        resize_image(image, 8, "squash")
    for wrong in (image / 255, image[..., 0], image[:0]):
        with pytest.raises(InputError, match="expected uint8"):
            resize_image(wrong, 8)
