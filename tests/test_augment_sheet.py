"""The contact sheet shows what training will see, and the command says what it cannot do."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.data import PRESETS, Examples, augmentation_layers, contact_sheet
from tl_keras.data.boxes import Boxes
from tl_keras.data.loading import BatchLoader
from tl_keras.errors import InputError

SIZE, GAP, LINE = 64, 6, 18


def cell(sheet, row, column, captions=True):
    down = SIZE + GAP + (LINE if captions else 0)
    top, left = 2 * LINE + GAP + row * down, GAP + column * (SIZE + GAP)
    return np.asarray(sheet)[top : top + SIZE, left : left + SIZE]


def test_cells_are_the_pixels_of_the_first_epochs(photos):
    examples = tl.data.from_folder(photos, progress=False)
    sheet = contact_sheet(examples, ["standard"], images=3, draws=2, image_size=SIZE, seed=5)
    plain = BatchLoader(examples, SIZE, "crop", 5)
    drawn = BatchLoader(examples, SIZE, "crop", 5, "standard")
    shown = []
    for row in range(3):
        first = cell(sheet, row, 0)
        (index,) = [i for i in range(len(examples)) if (plain.load(i, 0) == first).all()]
        shown.append(examples.labels[index])
        for epoch in range(2):
            assert (cell(sheet, row, 1 + epoch) == drawn.load(index, epoch)).all()
    assert set(shown) == {0, 1}  # both classes before one comes twice


def test_several_presets_have_a_column_each(photos):
    examples = tl.data.from_folder(photos, progress=False)
    names = ["light", "texture+cutmix"]
    sheet = contact_sheet(examples, names, images=1, draws=3, image_size=SIZE)
    assert sheet.width == GAP + 3 * (SIZE + GAP)
    loaders = [
        BatchLoader(examples, SIZE, "crop", 0, "light"),
        BatchLoader(examples, SIZE, "crop", 0, "texture+cutmix", target="one_hot"),
    ]
    plain = BatchLoader(examples, SIZE)
    first = cell(sheet, 0, 0)
    (index,) = [i for i in range(len(examples)) if (plain.load(i, 0) == first).all()]
    for epoch in range(3):
        for column, loader in enumerate(loaders, start=1):
            assert (cell(sheet, epoch, column) == loader.load(index, epoch)).all()


class OneMask:
    def __init__(self, classes):
        self.classes = classes

    def semantic(self, height, width):
        assert self.classes.shape == (height, width)
        return self.classes


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("name", ["none", "texture", "standard"])
def test_boxes_and_masks_lie_where_the_thing_is(tmp_path, resize, name):
    """A white thing on black: the frame and the tint have to be around and on the white."""
    picture = np.zeros((100, 140, 3), np.uint8)
    picture[40:60, 60:90] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    path, classes = str(tmp_path / "a.png"), np.zeros((100, 140), np.uint8)
    classes[40:60, 60:90] = 1
    columns = {"boxes": (Boxes.of([(60, 40, 90, 60)], [0]),), "masks": (OneMask(classes),)}
    for column in ("boxes", "masks"):
        table = Examples(
            (path,), [-1], ("thing", "other"), ("0",), (None,), **{column: columns[column]}
        )
        sheet = contact_sheet(
            table, [name], images=1, draws=4, image_size=SIZE, resize=resize, seed=1
        )
        plain = Examples((path,), [-1], ("thing", "other"), ("0",), (None,))
        loader = BatchLoader(plain, SIZE, resize, 1, name)
        for epoch in range(4):
            shown, bare = cell(sheet, 0, 1 + epoch, captions=False), loader.load(0, epoch)
            rows, across = np.nonzero(bare[..., 0] > 127)
            if column == "boxes":
                ys, xs = np.nonzero((shown != bare).any(-1))
                assert abs(ys.min() - rows.min()) <= 1 and abs(ys.max() - rows.max()) <= 1
                assert abs(xs.min() - across.min()) <= 1 and abs(xs.max() - across.max()) <= 1
            else:  # class 1 is blue (238 degrees), class 0 red
                tint = shown.astype(int) - 0.6 * bare
                thing = bare[..., 0] > 0.9 * bare.max()
                assert np.median(tint[thing][:, 2]) > 60 > np.median(tint[thing][:, 0])
                nothing = (bare[..., 0] < 0.1 * bare.max()) & (np.ptp(tint, axis=-1) > 20)
                assert nothing.sum() > 500 and np.median(tint[nothing][:, 0]) > 60


def test_the_command_draws_and_says_so(photos, tmp_path, capsys):
    target = tmp_path / "sheet.png"
    options = ["--image-size", "64", "--images", "2", "--draws", "2"]
    assert (
        main(["augment", str(photos), "--preview", str(target), "--preset", "all", *options]) == 0
    )
    assert Image.open(target).size[0] == GAP + len(PRESETS) * (SIZE + GAP)
    said = capsys.readouterr().out
    assert "sheet.png" in said and "spectrogram" in said
    options += ["--preset", "light,strong+mixup", "--json"]
    assert main(["augment", str(photos), "--preview", str(target), *options]) == 0
    assert json.loads(capsys.readouterr().out)["presets"] == ["light", "strong+mixup"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preview", "sheet.txt"], "no picture"),
        (["--preview", "nowhere/sheet.png"], "cannot be written"),
        (["--preview", "sheet.png", "--preset", "wild"], "unknown augmentation"),
        (["--preview", "sheet.png", "--images", "0"], "1 or more"),
        (["--preview", "sheet.png", "--draws", "-1"], "1 or more"),
        (["--preview", "sheet.png", "--image-size", "0"], "image size"),
    ],
)
def test_what_the_command_cannot_do_is_said(
    photos, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["augment", str(photos), *options]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_help_describes_every_preset_in_a_line(capsys):
    with pytest.raises(SystemExit):
        main(["augment", "--help"])
    said = capsys.readouterr().out
    for name, item in PRESETS.items():
        assert f"{name} " in said and item.summary in said and len(item.summary) < 90


@pytest.mark.parametrize("name", ["light", "standard", "medical"])
def test_layers_of_keras_vary_images_within_the_range_and_rest_at_inference(name):
    layers = augmentation_layers(name, seed=0)
    rows, columns = np.mgrid[:48, :48].astype("float32")
    image = np.stack([rows * 5, columns * 5, 120 + 0 * rows], -1)
    images = np.repeat(image[None], 64, 0)
    drawn = np.asarray(layers(images, training=True))
    assert (np.asarray(layers(images, training=False)) == images).all()
    assert drawn.shape == images.shape and drawn.min() >= 0 and drawn.max() <= 255
    assert np.abs(drawn - images).mean() < 60
    mirrored = (drawn[:, 24, 4, 1] > drawn[:, 24, -5, 1]).mean()
    assert 0.3 < mirrored < 0.7 if name != "medical" else mirrored == 0
    again = np.asarray(augmentation_layers(name, seed=0)(images, training=True))
    np.testing.assert_allclose(again, drawn, atol=1e-3)


def test_layers_of_keras_enlarge_as_the_crop_does_and_vary_colour():
    images = np.zeros((64, 60, 60, 3), "float32")
    images[:, 20:40, 20:40] = 200
    drawn = np.asarray(augmentation_layers("light", seed=2)(images, training=True))[..., 0]
    sides = np.concatenate([(drawn > 100).any(axis).sum(-1) for axis in (1, 2)])
    assert sides.min() >= 19 and 21 < sides.mean() < 23 and sides.max() <= 24  # 20 to 23
    coloured = np.full((64, 8, 8, 3), (200.0, 120.0, 40.0), "float32")
    drawn = np.asarray(augmentation_layers("standard", seed=2)(coloured, training=True))
    saturation = np.ptp(drawn[:, 4, 4], axis=-1) / drawn[:, 4, 4].max(-1)
    assert saturation.min() < 0.7 and saturation.max() > 0.9  # 0.8 before
    assert np.std(drawn[:, 4, 4].max(-1)) > 5


def test_layers_of_keras_go_into_a_classifier_and_out_again():
    from tl_keras.builders.classifier import without_augmentation

    layers = augmentation_layers("standard", seed=1)
    model = tl.build_classifier(
        "mobilenet_025", 2, image_size=32, weights=None, augmentation=layers
    )
    assert model.get_layer("augmentation") is layers
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    assert np.isfinite(model.train_on_batch(images, np.array([0, 1, 0, 1])))
    plain = without_augmentation(model)
    assert all(not isinstance(layer, keras.Sequential) for layer in plain.layers)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("texture", "QuarterTurn"),
        ("strong", "RandAugment"),
        ("document", "Affine"),
        ("spectrogram", "Bands"),
        ("light+mixup", "mixes"),
        ("none", "changes nothing"),
        ("wild", "unknown"),
    ],
)
def test_what_keras_has_no_layer_for_is_said(name, message):
    with pytest.raises(InputError, match=message):
        augmentation_layers(name)
