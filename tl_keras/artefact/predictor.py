"""Open an artefact and predict with it, reading images exactly as training did."""

import functools
import importlib.util
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.data.decoding import read_image
from tl_keras.data.framing import frame_of
from tl_keras.errors import InputError
from tl_keras.evaluation.promises import with_coverage
from tl_keras.tasks.registry import get_task
from tl_keras.tasks.task import Task
from tl_keras.training.judging import joined

if TYPE_CHECKING:
    from tl_keras.artefact.at_home import Home

# Sides of pictures, px: words must be readable, and nobody looks at more.
_SMALLEST, _LARGEST = 480, 1600


class Predictor:
    """A trained model with the names of its outputs and its way of reading images.

    Attributes:
        folder: Where the artefact lies.
        model: The ``keras.Model``, images (N, S, S, 3) RGB 0..255 to answers.
        description: The contents of ``model.json``.
        task: What it learned.
        names: Of the classes or tags, in the order of the outputs.
        settings: What answers need besides, such as thresholds.
        tta: The preset whose views are averaged where nothing else is asked for; ``"none"``
            unless ``model.json`` says otherwise.

    Example:
        >>> tl.load("saved_models/photos").predict(["new/1.jpg"])  # doctest: +SKIP
        [Prediction(source='new/1.jpg', class_name='ants', probability=0.98, …)]
    """

    def __init__(self, path: str | Path):
        self.folder = path = Path(path)
        description = read_description(path)
        import keras

        try:
            model = keras.saving.load_model(path / "model.keras", compile=False)
        except (
            OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error
        ) as problem:  # fmt: skip
            raise InputError(
                f"{path / 'model.keras'} cannot be opened ({_why(problem)}"
            ) from problem
        self._hold(model, description)
        outputs = self.task.outputs(self.model)
        if outputs is not None and len(self.names) != outputs:
            raise InputError(
                f"{path / 'model.json'} names {len(self.names)} outputs, the model has {outputs}; "
                "copy both again"
            )

    def _hold(self, model: Any, description: dict[str, Any]) -> None:
        self.model, self.description = model, description
        self.task: Task = get_task(self.description["task"])
        self.names: tuple[str, ...] = tuple(self.description[self.task.names_key])
        self.settings: dict[str, Any] = self.description.get("settings", {})
        self.image_size: int = self.description["image_size"]
        self.resize: str = self.description["resize"]
        self.tta: str = self.description.get("tta", "none")

    def predict(self, sources: Any, tta: str | None = None, tiled: bool = False) -> list[Any]:
        """Predict images given as paths, encoded bytes, or arrays.

        Args:
            sources: One or a list of: a path (``str`` or ``Path``); the bytes of an image file; a
                uint8 array (H, W), (H, W, 3) or (H, W, 4), 0..255, of any size.  An array
                (N, H, W, 3) is N images.
            tiled: Look at each image in its own px, in overlapping tiles of the model's size, and
                not resized to it: for segmenters that were trained on pieces of such images.
            tta: Test-time augmentation: the name of a preset (``tl_keras.data.PRESETS``), over
                whose fixed views, such as mirror images, probabilities are averaged; by default
                :attr:`tta`.  For tasks with one answer an image.

        Returns:
            One answer for each, in order: :class:`tl_keras.tasks.classification.Prediction`,
            ``tagging.Tags``, ``localization.Localized``, ``detection.Detections``,
            ``segmentation.Segmented`` or ``instances.Things``.  Boxes and masks are in the image's
            own px.

        Raises:
            InputError: A source is no image that can be read; its name stands in the message; or
                there is no such preset.
        """
        sources = as_list(sources)
        names = [_name(source, i) for i, source in enumerate(sources)]
        return self.answers(names, self.placed(sources, tta, tiled))

    def promise(self, coverage: float) -> None:
        """Let sets of classes hold the true one as often as this, and answers be wrong as seldom.

        Args:
            coverage: One of those that were measured in training: 0.8, 0.9, 0.95, 0.99.

        Raises:
            InputError: It was not measured, or the model's task promises nothing.

        Example:
            >>> photos = tl.load("saved_models/photos")  # doctest: +SKIP
            >>> photos.promise(0.99)  # doctest: +SKIP
            >>> photos.predict("new/1.jpg")[0].classes  # doctest: +SKIP
            ('ants', 'bees')
        """
        self.settings = with_coverage(self.settings, coverage)

    def placed(
        self, sources: Sequence[Any], tta: str | None = None, tiled: bool = False
    ) -> list[Any]:
        """What the model says of each source, in the source's own px, before it is put in words.

        Args:
            sources: A list as of :meth:`predict`.
            tta: As in :meth:`predict`.
            tiled: As in :meth:`predict`.
        """
        self.check_asked(tta, tiled)
        if tiled:
            return [self.task.tiled(self.model, read_image(source)) for source in sources]
        if self.home is not None:
            views = self._views(tta)
            return [one for some in self._read(sources) for one in self.home.seen(some, views)]
        predictions = self.raw(sources, tta)
        if self.task.pooled:
            return predictions
        frames = (frame_of(source, self.image_size, self.resize) for source in sources)
        return [self.task.placed(*pair) for pair in zip(predictions, frames, strict=True)]

    def check_asked(self, tta: str | None = None, tiled: bool = False, draws: bool = False) -> None:
        """Raise if the model's task cannot do what is asked for.

        Raises:
            InputError: It has no views, tiles or pictures, or there is no such preset.
        """
        self._views(tta)
        if tiled and not self.task.tiles:
            raise InputError(f"tiles are for --task segment; this model was made for "
                             f"--task {self.task.name}, which looks at whole images")  # fmt: skip
        if draws and not self.task.draws:
            raise InputError(f"there is nothing to draw for --task {self.task.name}; leave it out")

    def answers(self, names: Sequence[str], placed: Sequence[Any]) -> list[Any]:
        """Put :meth:`placed` or :meth:`raw` predictions in words, under these names."""
        from tl_keras.artefact.at_home import Seen

        rows = [one.prediction if isinstance(one, Seen) else one for one in placed]
        found = self.task.answers(names, rows, self.names, self.settings)
        return [
            one.told(answer) if isinstance(one, Seen) else answer
            for answer, one in zip(found, placed, strict=True)
        ]

    @functools.cached_property
    def home(self) -> "Home | None":
        """What the artefact remembers of its training images; None where it remembers nothing."""
        from tl_keras.artefact.at_home import home_of

        return home_of(self.folder, self.model, self.task)

    def picture(self, source: Any, placed: Any) -> np.ndarray:
        """A source with what the model says of it, uint8 (height, width, 3).

        Args:
            source: As of :meth:`predict`.
            placed: Of :meth:`placed`.

        Raises:
            InputError: The task has nothing to draw.
        """
        self.check_asked(draws=True)
        image = read_image(source)
        side = min(_LARGEST, max(_SMALLEST, *image.shape[:2]))
        return self.task.picture(image, None, placed, self.names, self.settings, side)

    def explain(
        self, sources: Any, methods: Sequence[str] = ("grad_cam",), class_name: str | None = None
    ) -> list[Any]:
        """What in images speaks for the most probable class of each, or for one class.

        Args:
            sources: As of :meth:`predict`.
            methods: Names of ``tl_keras.evaluation.explaining.methods.METHODS``.
            class_name: The class, or tag, to look for; by default the most probable one.

        Returns:
            A :class:`~tl_keras.artefact.explaining.Explanation` for each, in order.

        Raises:
            InputError: The task has no class head, or there is no such method or class, or a source
                is no image that can be read.
        """
        from tl_keras.artefact.explaining import explained

        sources = as_list(sources)
        names = [_name(source, i) for i, source in enumerate(sources)]
        return explained(self, sources, names, methods, class_name)

    def probabilities(self, sources: Sequence[Any], tta: str | None = None) -> np.ndarray:
        """Probabilities, float64 (N, outputs), of sources as in :meth:`predict`.

        At the model's temperature, where it has one; :meth:`raw` are the network's own.

        Raises:
            InputError: The task has no such answer an image.
        """
        if not self.task.pooled:
            raise InputError(f"--task {self.task.name} has no probabilities an image; use predict")
        return self.task.scaled(self.raw(sources, tta), self.settings)

    def raw(self, sources: Sequence[Any], tta: str | None = None) -> Sequence[Any]:
        """Predictions of the task in the model's square, of sources as in :meth:`predict`."""
        views = self._views(tta)
        return joined([self._seen(images, views) for images in self._read(sources)])

    def _read(self, sources: Sequence[Any]) -> Iterator[np.ndarray]:
        """Batches of images in the model's square, uint8 (B, S, S, 3)."""
        from tl_keras.data.decoding import load_image

        sources = list(sources)
        if not sources:
            raise InputError("nothing to predict; give at least one image")
        step = self.task.batch_size
        for start in range(0, len(sources), step):
            some = sources[start : start + step]
            yield np.stack([load_image(one, self.image_size, self.resize) for one in some])

    def _views(self, tta: str | None) -> Sequence[Any]:
        from tl_keras.data.augment.presets import preset

        name = self.tta if tta is None else tta
        if not self.task.pooled and name != "none":
            raise InputError(
                f"tta averages one answer an image, which --task {self.task.name} has not; leave "
                "it out"
            )
        return preset(name).views

    def _seen(self, images: np.ndarray, views: Sequence[Any]) -> Sequence[Any]:
        """Predictions of a batch, averaged over the views where there are several."""
        found = [
            self._predictions(np.stack([view.image(image) for image in images])) for view in views
        ]
        return found[0] if len(found) == 1 else self.task.averaged(found)

    def _predictions(self, images: np.ndarray) -> Sequence[Any]:
        return self.task.predictions(self.model, self.model.predict_on_batch(images))

    def evaluate(self, examples: Any, tta: str | None = None) -> dict[str, Any]:
        """Metrics on examples that bring their targets, each figure with a 95 % interval.

        Args:
            examples: ``tl_keras.data.Examples``.
            tta: As in :meth:`predict`.

        Raises:
            InputError: The examples have classes or tags that the model does not know.
        """
        names = self.task.names_in(examples, self.names)
        return self.task.measure(*self.judged(examples, tta), names, self.settings)

    def judged(self, examples: Any, tta: str | None = None) -> tuple[Sequence[Any], Sequence[Any]]:
        """Truth and prediction of every example, in the model's square; as :meth:`evaluate`."""
        truths, (predictions,) = self.judged_ways(examples, [lambda images, first: images], tta)
        return truths, predictions

    def judged_ways(
        self, examples: Any, ways: Sequence[Callable[[np.ndarray, int], np.ndarray]],
        tta: str | None = None,
    ) -> tuple[Sequence[Any], list[Sequence[Any]]]:  # fmt: skip
        """Truth of every example, and its prediction in each of several ways of looking at it.

        Args:
            examples: As of :meth:`evaluate`.
            ways: From a batch of images (N, S, S, 3) in the model's square, and the number of its
                first, to what the model is shown; images are read once for all ways.
            tta: As in :meth:`predict`.
        """
        from tl_keras.data.pipeline import reading_errors

        views = self._views(tta)
        examples = self.task.prepared(examples, self.names)
        truths: list[Any] = []
        predictions: list[list[Any]] = [[] for _ in ways]
        first = 0
        batches = examples.dataset(
            self.task.batch_size, self.image_size, resize=self.resize, target=self.task.target
        )
        with reading_errors():
            for images, targets in batches:
                truths.append(self.task.truths(np.asarray(targets)))
                shown = np.asarray(images)
                for way, said in zip(ways, predictions, strict=True):
                    said.append(self._seen(way(shown, first), views))
                first += len(shown)
        return joined(truths), [joined(said) for said in predictions]


def _why(problem: Exception) -> str:
    """Why a model cannot be opened, and what to do."""
    said = str(problem).strip() or type(problem).__name__
    if "keras_hub" in said and importlib.util.find_spec("keras_hub") is None:
        return "it is made of layers of KerasHub); install it: pip install 'tl-keras[keras-hub]'"
    return f"{said.splitlines()[0]}); copy or train it again"


def load(path: str | Path) -> Predictor:
    """Open an artefact written by ``run.save``.

    Raises:
        InputError: There is no artefact there, or it is damaged or of a newer format.

    Example:
        >>> tl.load("saved_models/photos").names  # doctest: +SKIP
        ('ants', 'bees')
    """
    return Predictor(path)


def read_description(path: Path) -> dict[str, Any]:
    """The contents of ``model.json``, without opening the model.

    Raises:
        InputError: There is no artefact there, or it is damaged or of a newer format.
    """
    from tl_keras.artefact.writing import FORMAT

    if not (path / "model.json").is_file() or not (path / "model.keras").is_file():
        raise InputError(
            f"{path} holds no trained model (model.json and model.keras); give the folder that "
            "`tl-keras train` wrote"
        )
    try:
        description = json.loads((path / "model.json").read_text())
        missing = {"task", "image_size", "resize", "format"} - set(description)
        if not missing:
            missing = {get_task(description["task"]).names_key} - set(description)
    except (ValueError, TypeError) as problem:
        raise InputError(
            f"{path / 'model.json'} is damaged ({problem}); copy it again"
        ) from problem
    if missing:
        raise InputError(f"{path / 'model.json'} lacks {', '.join(sorted(missing))}; copy it again")
    if not isinstance(description["format"], int) or description["format"] > FORMAT:
        raise InputError(
            f"{path} was written by a newer tl_keras (format {description['format']}); upgrade"
        )
    return description


def as_list(sources: Any) -> list[Any]:
    """The sources of :meth:`Predictor.predict` as a list.

    Raises:
        InputError: They are none.
    """
    if isinstance(sources, str | Path | bytes):
        return [sources]
    if isinstance(sources, np.ndarray):
        return list(sources) if sources.ndim == 4 else [sources]
    if isinstance(sources, Iterable):
        return list(sources)
    raise InputError(f"expected paths, bytes or arrays to predict; got {type(sources).__name__}")


def _name(source: Any, position: int) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return f"{'bytes' if isinstance(source, bytes) else 'array'} {position}"
