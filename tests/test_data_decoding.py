"""Pictures are read as a person sees them, whatever they are stored as, or refused by name."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import MAX_PIXELS, UnreadableImageError, load_image, read_image
from tl_keras.data.jpeg import plain_jpeg
from tl_keras.errors import InputError

RED, GREEN, BLUE, WHITE, BLACK = (
    (220, 30, 30),
    (30, 200, 40),
    (30, 40, 210),
    (255, 255, 255),
    (0, 0, 0),
)


def scene(width=48, height=32) -> Image.Image:
    """Four flat quarters, no two alike: any turn or mirroring shows."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def near(actual: np.ndarray, expected, tolerance=6.0) -> bool:
    expected = np.asarray(expected, float)
    return actual.shape == expected.shape and np.abs(actual - expected).mean() < tolerance


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("PPM", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
        ("WEBP", {"quality": 95}),
    ],
)
def test_every_format_gives_the_same_picture(kind, options):
    image = read_image(encoded(scene(), kind, **options))
    assert image.dtype == np.uint8 and image.flags.writeable
    assert near(image, scene())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind, orientation):
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene() if orientation == 1 else scene().transpose(back[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert near(read_image(encoded(stored, kind, exif=exif)), scene())


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_leaves_the_picture_as_stored():
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    assert near(read_image(data), scene())


def test_grey_and_bilevel():
    grey = scene().convert("L")
    assert near(read_image(encoded(grey, "JPEG", quality=95)), grey.convert("RGB"))
    assert near(read_image(encoded(grey, "PPM")), grey.convert("RGB"))  # PGM
    bilevel = scene().convert("1")
    assert near(read_image(encoded(bilevel, "PNG")), bilevel.convert("RGB"))


def test_palette_and_its_transparency():
    palette = scene().quantize(8)
    assert near(read_image(encoded(palette, "PNG")), scene())
    red_index = palette.getpixel((0, 0))
    image = read_image(encoded(palette, "PNG", transparency=red_index))
    assert tuple(image[0, 0]) == WHITE and tuple(image[0, -1]) == GREEN
    partly = bytes(128 if i == red_index else 255 for i in range(8))
    image = read_image(encoded(palette, "PNG", transparency=partly))
    assert near(image[0, 0], [237, 142, 142])


def test_alpha_is_composited_on_white():
    layer = scene().convert("RGBA")
    layer.putalpha(Image.new("L", layer.size, 0))
    assert (read_image(encoded(layer, "PNG")) == 255).all()  # not the red hidden below
    layer.putalpha(Image.new("L", layer.size, 128))
    assert near(read_image(encoded(layer, "PNG"))[0, 0], [237, 142, 142])
    grey = Image.new("LA", (4, 4), (0, 0))
    assert (read_image(encoded(grey, "PNG")) == 255).all()


def test_cmyk():
    cmyk = scene().convert("CMYK")
    adobe = encoded(cmyk, "JPEG", quality=95)  # Pillow writes Adobe's inverted form
    samples = Image.open(io.BytesIO(adobe)).tile[0].args[0]
    assert b"Adobe" in adobe and "I" in str(samples)
    assert near(read_image(adobe), scene())
    # Without the marker the inverted form is taken for granted all the same.
    start = adobe.index(b"\xff\xee")
    plain = adobe[:start] + adobe[start + 2 + struct.unpack(">H", adobe[start + 2 :][:2])[0] :]
    assert near(read_image(plain), scene())
    assert near(read_image(encoded(cmyk, "TIFF")), scene())  # where ink is ink


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_by_the_range_of_the_type(kind):
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (8, 1))
    image = read_image(encoded(Image.fromarray(ramp), kind))
    assert np.abs(image[..., 0].astype(int) - np.rint(ramp / 257)).max() <= 1
    assert image.min() == 0 and image.max() == 255
    dim = read_image(encoded(Image.fromarray(ramp // 4), kind))  # not stretched to its own range
    assert dim.max() == 64


def test_thirty_two_bits_are_refused():
    for array in (np.ones((4, 4), np.float32), np.ones((4, 4), np.int32)):
        with pytest.raises(UnreadableImageError, match="no agreed range"):
            read_image(encoded(Image.fromarray(array), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_many(kind):
    second = Image.new("RGB", (48, 32), BLACK)
    data = encoded(scene(), kind, save_all=True, append_images=[second])
    assert near(read_image(data), scene(), tolerance=12)


def test_the_content_decides_not_the_extension(tmp_path):
    file = tmp_path / "photo.JPG"
    file.write_bytes(encoded(scene(), "GIF"))
    assert near(read_image(file), scene())
    (tmp_path / "none").write_bytes(encoded(scene(), "PNG"))
    assert near(read_image(str(tmp_path / "none")), scene())


def bomb_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_460, 30_000])  # above our bound; above Pillow's own limit
def test_bombs_are_refused_from_the_header(side):
    assert side * side > MAX_PIXELS
    with pytest.raises(UnreadableImageError, match=str(MAX_PIXELS)):
        read_image(bomb_png(side, side))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "PPM", "TIFF"])
def test_truncated_files_are_refused(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    for keep in (0.6, 0.1):
        with pytest.raises(UnreadableImageError) as error:
            read_image(data[: int(len(data) * keep)])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (b"just text", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_no_image(data, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(data)


def test_what_is_no_regular_file(tmp_path):
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        read_image(tmp_path)
    (tmp_path / "dangling.png").symlink_to(tmp_path / "missing.png")
    with pytest.raises(UnreadableImageError, match="leads nowhere"):
        read_image(tmp_path / "dangling.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        read_image(tmp_path / "pipe.png")  # opening it would wait for ever
    with pytest.raises(UnreadableImageError):
        read_image("a\0b")


def test_arrays():
    pixels = np.asarray(scene())
    assert (read_image(pixels) == pixels).all()
    assert read_image(pixels[..., 0]).shape == pixels.shape
    assert read_image(pixels[..., :1]).shape == pixels.shape
    assert (read_image(np.dstack([pixels, np.zeros_like(pixels[..., 0])])) == 255).all()
    assert (read_image(pixels.astype(np.uint16) * 257) == pixels).all()
    for wrong in (pixels / 255, pixels[None], pixels[..., :2], pixels[:0], pixels.astype(int)):
        with pytest.raises(InputError, match="expected uint8"):
            read_image(wrong)
    with pytest.raises(InputError, match="NoneType"):
        read_image(None)


def test_sources_agree(tmp_path):
    data = encoded(scene(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    by_path = load_image(Path(tmp_path / "a.png"), 20)
    assert (load_image(data, 20) == by_path).all()
    assert (load_image(read_image(data), 20) == by_path).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1", "grey"])
def test_the_short_cut_for_jpegs_gives_pillows_pixels(subsampling, progressive):
    for width, height in ((97, 61), (64, 48), (9, 130), (1, 1)):
        noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
        image, options = Image.fromarray(noise), {"progressive": progressive}
        if subsampling == "grey":
            image = image.convert("L")
        else:
            options["subsampling"] = subsampling
        file = io.BytesIO(encoded(image, "JPEG", **options))
        for scale in (1, 2, 4, 8):
            pillow = Image.open(file)
            if scale > 1:
                pillow.draft("RGB", (max(1, width // scale), max(1, height // scale)))
            expected = np.asarray(pillow.convert("RGB"))
            if expected.shape[:2] != (-(-height // scale), -(-width // scale)):
                continue  # Pillow reduces a line of pixels less than it could
            found = plain_jpeg(file.getvalue(), lambda size, scale=scale: scale)
            assert found is not None and (found == expected).all()


def test_the_short_cut_leaves_to_pillow_what_is_not_plain():
    def short_cut(data: bytes):
        return plain_jpeg(data, lambda size: 1)

    sound = encoded(scene(), "JPEG")
    assert short_cut(sound) is not None
    assert short_cut(sound + b"whatever follows") is not None
    assert short_cut(encoded(scene(), "PNG")) is None
    assert short_cut(encoded(scene().convert("CMYK"), "JPEG")) is None
    assert short_cut(sound[:-20]) is None
