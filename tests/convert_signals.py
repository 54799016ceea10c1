"""Synthetic signals and their files, for the tests of ``convert``."""

import wave
from pathlib import Path

import numpy as np

RATE = 8000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, width: int = 2) -> Path:
    """(n,) or (n, channels) in -1..1 as whole-number PCM of so many bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = samples[:, None] if samples.ndim == 1 else samples
    whole = np.round(table * (2 ** (8 * width - 1) - 1)).astype("<i4")
    if width == 1:
        data = (whole + 128).astype(np.uint8).tobytes()
    else:
        data = whole.view(np.uint8).reshape(*whole.shape, 4)[..., :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(table.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def write_ts(path: Path, cases: list[str], header: str = "@classLabel true a b") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["#a comment", "@problemName Made", header, "@data", *cases])
    path.write_text(text + "\n", encoding="utf-8")
    return path


def write_track(path: Path, times: np.ndarray, points: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["record timestamp,client timestamp,button,state,x,y"]
    for t, (x, y) in zip(times, points, strict=True):
        lines.append(f"{t},{t},NoButton,Move,{x:g},{y:g}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def wander(seed: int, count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Times and places of a smooth hand-like walk, with a rest in the middle."""
    random = np.random.default_rng(seed)
    steps = random.uniform(0.08, 0.14, count)
    steps[count // 2] = 3.0
    heading = np.cumsum(random.normal(0, 0.4, count))
    speed = 20 + 15 * np.sin(np.arange(count) / 7)
    points = np.cumsum(speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1), axis=0)
    return np.cumsum(steps), np.round(points - points.min(axis=0))
