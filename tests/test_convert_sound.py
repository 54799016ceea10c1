"""Sound: values of the spectrogram, resampling, reading, pieces, and what is left out."""

import struct
import warnings

import numpy as np
import pytest
from convert_signals import RATE, tone, write_wav
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tl_keras as tl
from tl_keras.convert import SoundImage, mel_spectrogram, sound
from tl_keras.convert.sound_files import UnreadableSoundError, read_sound, resample
from tl_keras.convert.spectrogram import hz_to_mel, mel_to_hz, power_spectrogram
from tl_keras.convert.writing import Picture, check_output, write_examples
from tl_keras.errors import InputError

SMALL = SoundImage(size=64, sample_rate=RATE, seconds=1.0, n_fft=256, hop=64, n_mels=32)


def test_values_are_those_of_librosa():
    # librosa 0.11.0: t = np.arange(4000) / 8000; x as below;
    # m = librosa.feature.melspectrogram(
    #     y=x, sr=8000, n_fft=256, hop_length=64, n_mels=32, fmin=50, fmax=3800)
    # np.round(librosa.power_to_db(m, ref=np.max, top_db=80)[::6, ::15], 4)
    expected = [
        [-20.0753, -79.6021, -79.8409, -79.3882, -78.1308],
        [-7.6939, -13.345, -13.344, -13.344, -13.344],
        [-30.0541, -56.6733, -9.2848, -78.4652, -80.0],
        [-38.4807, -80.0, -80.0, -58.9072, -8.1469],
        [-45.1052, -80.0, -80.0, -80.0, -80.0],
        [-49.5941, -80.0, -80.0, -80.0, -80.0],
    ]
    t = np.arange(4000) / 8000
    x = 0.5 * np.sin(2 * np.pi * 440 * t)
    x += 0.25 * np.sin(2 * np.pi * (500 * t + 1000 * t * t))
    levels = mel_spectrogram(x, 8000, n_fft=256, hop=64, n_mels=32, fmin=50, fmax=3800)
    assert levels.shape == (32, 63)
    np.testing.assert_allclose(levels[::6, ::15], expected, atol=2e-4)


def test_mel_scale_goes_there_and_back():
    hertz = np.array([0.0, 100.0, 999.0, 1000.0, 1001.0, 8000.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz)), hertz, atol=1e-9)
    assert hz_to_mel(6400.0) == pytest.approx(15 + 27)  # Slaney: 27 steps per factor 6.4


def test_parseval_holds_for_each_window():
    samples = np.random.default_rng(0).normal(size=1024)
    power = power_spectrogram(samples, 128, 64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    energy = ((samples[512 - 64 : 512 + 64] * window) ** 2).sum() * 128
    both_sides = 2 * power[:, 8].sum() - power[0, 8] - power[-1, 8]
    assert both_sides == pytest.approx(energy)


@pytest.mark.parametrize("frequency", [200.0, 500.0, 1200.0, 3000.0])
def test_tone_lights_its_row_counted_from_the_bottom(frequency):
    picture = SMALL.render(tone(frequency)).astype(float)
    row = picture.sum(axis=1).argmax()
    low, high = hz_to_mel(SMALL.fmin), hz_to_mel(SMALL.top)
    # Filter k of n is centred at (k + 1) / (n + 1) of the mel range; rows are n filters high.
    filter_ = (hz_to_mel(frequency) - low) / (high - low) * (SMALL.n_mels + 1) - 1
    expected = SMALL.size - 1 - (filter_ + 0.5) * SMALL.size / SMALL.n_mels
    assert abs(row - expected) <= 0.75 * SMALL.size / SMALL.n_mels
    assert picture[row].min() > 200  # all the time


def test_chirp_rises_to_the_right():
    t = np.arange(RATE) / RATE
    picture = SMALL.render(0.5 * np.sin(2 * np.pi * (300 * t + 1500 * t * t))).astype(float)
    loudest = picture[:, 4:-4].argmax(axis=0)
    assert loudest[0] > loudest[-1] + 20  # row 0 is the top
    assert np.corrcoef(np.arange(len(loudest)), loudest)[0, 1] < -0.95


def test_loudness_does_not_count_but_the_span_does():
    quiet = SMALL.render(0.01 * tone(700))
    np.testing.assert_allclose(quiet.astype(int), SMALL.render(tone(700)).astype(int), atol=1)
    assert SMALL.render(np.zeros(RATE)).max() == 0
    assert SMALL.render(tone(700)).max() >= 250


def test_short_clip_is_followed_by_black():
    picture = SMALL.render(tone(700, seconds=0.5))
    assert picture[:, :28].max() > 200
    assert picture[:, 38:].max() == 0


def test_resampling_removes_what_the_new_rate_cannot_carry():
    # 6 kHz at 16 kHz would come back as 2 kHz at 8 kHz if every second sample were taken.
    above = tone(6000, rate=16000)
    assert np.abs(above[::2]).max() > 0.4
    assert np.abs(resample(above, 16000, 8000)[200:-200]).max() < 0.002
    below = resample(tone(1000, rate=44100), 44100, 8000)
    np.testing.assert_allclose(below[200:7800], tone(1000)[200:7800], atol=0.003)
    spectrum = np.abs(np.fft.rfft(resample(tone(12000, rate=44100), 44100, 16000)[800:-800]))
    assert spectrum.max() < 0.001 * len(spectrum)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_of_every_width_and_the_mean_of_channels(tmp_path, width):
    stereo = np.stack([tone(440), 0.5 * tone(440)], axis=1)
    samples, rate = read_sound(str(write_wav(tmp_path / "a.wav", stereo, width=width)))
    assert rate == RATE
    np.testing.assert_allclose(samples, 0.75 * tone(440), atol=1.5 / 2 ** (8 * width - 1) + 1e-8)


@pytest.mark.parametrize("ending", ["flac", "ogg", "wav"])
def test_other_formats_by_soundfile(tmp_path, ending):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"ü.{ending}"
    soundfile.write(path, tone(440), RATE, subtype="FLOAT" if ending == "wav" else None)
    samples, rate = read_sound(str(path))
    assert rate == RATE and len(samples) == RATE
    assert np.corrcoef(samples, tone(440))[0, 1] > 0.99


def test_pieces_of_a_clip_share_its_group(tmp_path):
    write_wav(tmp_path / "in/dog/1.wav", tone(300, 2.7))
    write_wav(tmp_path / "in/cat/ü 2.wav", tone(900, 1.3))
    examples = sound(tmp_path / "in", tmp_path / "out", SMALL)
    assert examples.counts() == {"cat": 1, "dog": 3}
    assert examples.groups == ("cat/ü 2", "dog/1", "dog/1", "dog/1")
    assert examples.extra["offset"] == ("0", "0", "1", "2")
    assert examples.extra["source"][1].endswith("1.wav")
    assert examples.splits == (None,) * 4
    with Image.open(examples.paths[0]) as picture:
        assert picture.size == (64, 64) and picture.mode == "L"


def test_names_bring_class_group_and_part(tmp_path):
    for name, part in (("7_ann_0", "train"), ("3_bob_1", "test"), ("7_bob_2", "test")):
        write_wav(
            tmp_path / "in" / part / f"{name}.wav",
            tone(300 + 99 * int(name[0]) + 50 * int(name[-1])),
        )
    names = "{split}/{label}_{group}_*"
    examples = sound(tmp_path / "in", tmp_path / "out", SMALL, names=names)
    assert examples.class_names == ("3", "7")
    rows = set(zip(examples.labels.tolist(), examples.groups, examples.splits, strict=True))
    assert rows >= {(0, "bob", "test"), (1, "ann", "train")}
    with pytest.raises(InputError, match="does not match the names"):
        sound(tmp_path / "in", tmp_path / "out2", SMALL, names="{label}-{group}")
    with pytest.raises(InputError, match="unknown or twice"):
        sound(tmp_path / "in", tmp_path / "out2", SMALL, names="{speaker}/*")


def test_what_is_broken_is_left_out_with_a_reason(tmp_path):
    good = write_wav(tmp_path / "in/a/good.wav", tone(440))
    (tmp_path / "in/a/empty.wav").write_bytes(b"")
    (tmp_path / "in/a/cut.wav").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "in/a/header.wav").write_bytes(good.read_bytes()[:20])
    (tmp_path / "in/a/text.wav").write_text("not a sound")
    write_wav(tmp_path / "in/a/one.wav", np.array([0.5]))
    write_wav(tmp_path / "in/a/none.wav", np.zeros(0))
    examples = sound(tmp_path / "in", tmp_path / "out", SMALL)
    reasons = {one.path.rpartition("/")[2]: one.reason for one in examples.skipped}
    assert len(examples) == 1 and len(reasons) == 6
    assert reasons["empty.wav"] == "zero bytes"
    assert "promises 8000 samples, 2478 are there" in reasons["cut.wav"]
    assert "within its header" in reasons["header.wav"]
    assert "no sound" in reasons["text.wav"]
    assert "shorter than one window" in reasons["one.wav"]
    assert reasons["none.wav"] == "holds no samples"
    assert not any("\n" in reason for reason in reasons.values())


def test_float_wav_with_nan_is_left_out(tmp_path):
    pytest.importorskip("soundfile")
    data = np.full(4000, np.nan, "<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16,
                       3, 1, RATE, RATE * 4, 4, 32, b"data", len(data))  # fmt: skip
    path = tmp_path / "nan.wav"
    path.write_bytes(head + data)
    with pytest.raises(UnreadableSoundError, match="not finite"):
        read_sound(str(path))


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 600), junk=st.binary(max_size=20), at=st.integers(0, 60))
def test_any_damage_is_one_reason_and_no_traceback(tmp_path_factory, cut, junk, at):
    folder = tmp_path_factory.mktemp("damaged")
    whole = write_wav(folder / "a.wav", tone(440, 0.05)).read_bytes()
    damaged = (whole[:at] + junk + whole[at + len(junk) :])[: len(whole) - cut]
    (folder / "b.wav").write_bytes(damaged)
    try:
        samples, rate = read_sound(str(folder / "b.wav"))
        assert len(samples) and np.isfinite(samples).all() and rate >= 0
    except UnreadableSoundError as problem:
        assert str(problem) and "\n" not in str(problem)


def test_nothing_usable_or_an_occupied_folder_is_an_error(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    with pytest.raises(InputError, match=r"holds no .*\.wav.* files"):
        sound(tmp_path / "in", tmp_path / "out", SMALL)
    (tmp_path / "in/a/empty.wav").write_bytes(b"")
    with pytest.raises(InputError, match=r"nothing in .* could be converted .*zero bytes"):
        sound(tmp_path / "in", tmp_path / "out", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]  # nothing is left behind
    write_wav(tmp_path / "in/a/1.wav", tone(440))
    with pytest.raises(InputError, match="not an empty folder"):
        sound(tmp_path / "in", tmp_path / "in", SMALL)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": 0.0}, "seconds=0.0 is not a number above 0"),
        ({"seconds": float("nan")}, "seconds=nan"),
        ({"size": 224.5}, "size=224.5 is not a whole number"),
        ({"n_fft": 511}, "odd"),
        ({"fmin": 5000.0, "sample_rate": 8000}, "fmin is below fmax"),
        ({"fmax": 9000.0}, "at most half of sample_rate"),
        ({"seconds": 0.01}, "shorter than one window"),
        ({"n_mels": 400}, "too narrow"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        SoundImage(**values)


def test_an_interrupted_conversion_leaves_nothing(tmp_path):
    def pictures(count):
        for number in range(count):
            pixels = np.full((8, 8), number, np.uint8)
            yield Picture(pixels, f"{number}", "a", None, None, "a.wav", "0")
        if count == 2:
            raise KeyboardInterrupt

    root = check_output(tmp_path / "deep/out")
    with pytest.raises(KeyboardInterrupt):
        write_examples(root, pictures(2), SMALL)
    assert list((tmp_path / "deep").iterdir()) == []
    root.mkdir()
    assert len(write_examples(root, pictures(3), SMALL)) == 3
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_half_empty_pictures_are_told(tmp_path):
    write_wav(tmp_path / "in/a/1.wav", tone(440))
    with pytest.warns(UserWarning, match="--sample-rate 8000"):
        sound(tmp_path / "in", tmp_path / "out")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sound(tmp_path / "in", tmp_path / "out2", SMALL)


def test_later_sounds_are_rendered_like_the_earlier(tmp_path):
    write_wav(tmp_path / "in/a/1.wav", tone(440))
    first = sound(tmp_path / "in", tmp_path / "out", SMALL)
    again = sound(tmp_path / "in", tmp_path / "again", like=tmp_path / "out")
    assert tl.convert.load_settings(tmp_path / "out") == SMALL
    assert again.digests == first.digests
    with pytest.raises(InputError, match="not both"):
        sound(tmp_path / "in", tmp_path / "x", SMALL, like=tmp_path / "out")
    with pytest.raises(InputError, match="a conversion of sound, not of series"):
        tl.convert.series(np.zeros((2, 9)), tmp_path / "x", like=tmp_path / "out")
    (tmp_path / "out/conversion.json").write_text('{"kind": "sound", "colour": 1}')
    with pytest.raises(InputError, match="not of this version"):
        tl.convert.load_settings(tmp_path / "out")


def test_equal_pictures_do_not_contradict_or_cross(tmp_path):
    for part, label, pitch in (
        ("train", "a", 440), ("test", "a", 440), ("train", "b", 900), ("train", "c", 900),
        ("train", "c", 1500),
    ):  # fmt: skip
        write_wav(tmp_path / f"in/{part}/{label}/{pitch}.wav", tone(pitch))
    examples = sound(tmp_path / "in", tmp_path / "out", SMALL)
    kept = sorted(zip(examples.splits, examples.labels.tolist(), strict=True))
    assert [(part, examples.class_names[label]) for part, label in kept] == [
        ("test", "a"), ("train", "c"),
    ]  # fmt: skip
    assert len(examples.crossing) == 1 and "of the test part" in examples.crossing[0].reason
    assert len(examples.skipped) == 2 and "which is 'c'" in examples.skipped[0].reason
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2
