"""Mutation fuzz: sound pictures with bytes flipped, put in, taken out or cut off.

Each mutant is either read or listed as left out, never both and never neither; what is read when
scanning can be read in full afterwards; no crash and no hang (a process of its own, with a limit).
"""

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCAN = """
import json, sys
from tl_keras.data import from_folder, load_image, read_image
examples = from_folder(sys.argv[1], progress=False)
failed = []
for path in examples.paths:
    try:
        pixels = read_image(path)
        assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == "uint8"
        assert load_image(path, 16).shape == (16, 16, 3)
    except Exception as error:
        failed.append([path, repr(error)])
print(json.dumps({
    "read": examples.paths, "skipped": examples.skipped, "failed": failed,
    "crossing": len(examples.crossing),
}))
"""


def sound_files() -> list[tuple[str, bytes]]:
    random_ = np.random.default_rng(0)
    smooth = np.linspace(0, 200, 40)[None, :, None] + random_.integers(0, 55, (28, 40, 3))
    rgb = Image.fromarray(smooth.astype(np.uint8))
    grey16 = Image.fromarray((smooth[..., 0] * 250).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [rgb.rotate(180)]}
    kinds = [
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {}),
        (rgb, "PNG", {}),
        (rgb.convert("RGBA"), "PNG", {}),
        (rgb.quantize(16), "PNG", {"transparency": 3}),
        (grey16, "PNG", {}),
        (rgb, "GIF", frames),
        (rgb, "WEBP", {}),
        (rgb.convert("RGBA"), "WEBP", {"lossless": True}),
        (rgb, "WEBP", frames),
        (rgb, "BMP", {}),
        (rgb.quantize(16), "BMP", {}),
        (rgb, "PPM", {}),
        (grey16, "PPM", {}),
        (rgb, "TIFF", {}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (grey16, "TIFF", {"compression": "tiff_adobe_deflate"}),
    ]
    Image.init()
    kinds += [(rgb, kind, {}) for kind in ("JPEG2000", "AVIF") if kind in Image.SAVE]
    files = []
    for image, kind, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files.append((kind.lower(), buffer.getvalue()))
    return files


def mutate(data: bytes, draw: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        # Headers decide what a decoder does: half of the blows fall on the first 100 bytes.
        reach = min(len(mutant), 100) if draw.random() < 0.5 else len(mutant)
        at = draw.randrange(reach) if reach else 0
        match draw.randrange(6):
            case 0 if mutant:
                mutant[at] ^= 1 << draw.randrange(8)
            case 1 if mutant:
                mutant[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                mutant[at:at] = draw.randbytes(draw.choice((1, 4, 50)))
            case 3:
                del mutant[at : at + draw.choice((1, 4, 50))]
            case 4:
                del mutant[draw.randrange(len(mutant) + 1) :]
            case 5:
                mutant[at : at + 4] = draw.randbytes(4)
    return bytes(mutant)


def fuzz(folder: Path, count: int, seed: int) -> dict:
    draw = random.Random(seed)
    written = []
    sound = sound_files()
    for name in ("a", "b"):
        (folder / name).mkdir()
        for i in range(2):  # so that both classes stand whatever the mutants do
            pixels = np.full((8, 8, 3), 50 * i + ord(name), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"sound{i}.png")
            written.append(str(folder / name / f"sound{i}.png"))
    for i in range(count):
        kind, data = sound[i % len(sound)]
        file = folder / draw.choice("ab") / f"{i}.{draw.choice((kind, 'jpg', 'PNG'))}"
        file.write_bytes(mutate(data, draw))
        written.append(str(file))
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCAN, str(folder)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60 + count,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    read = result["read"]
    skipped = [path for path, _ in result["skipped"]]
    assert not result["failed"]
    assert sorted(read + skipped) == sorted(written), "each file once: read or left out"
    assert not result["crossing"]
    assert all(reason.strip() and "\n" not in reason for _, reason in result["skipped"])
    return {"read": len(read), "skipped": len(skipped)}


def test_a_hundred_mutants(tmp_path):
    result = fuzz(tmp_path, 110, seed=1)
    assert result["read"] > 10 and result["skipped"] > 10  # the blows are neither void nor fatal


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_a_thousand_mutants(tmp_path, seed):
    result = fuzz(tmp_path, 1000, seed)
    assert result["read"] > 100 and result["skipped"] > 100
