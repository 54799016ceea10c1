"""Features of whole data sets, looked up before they are computed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.builders.classifier import features_model
from tl_keras.data.augment.views import View
from tl_keras.data.pipeline import reading_errors, set_epoch
from tl_keras.errors import InputError
from tl_keras.training.extractor_runtimes import installed, keras_run
from tl_keras.training.extractors import (
    Extractor,
    agrees,
    check_runtime,
    extractor_for,
    preferred_runtime,
)
from tl_keras.training.feature_batches import FeatureSet
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_key import (
    Contents,
    feature_key,
    model_digest,
    read_contents,
    still_the_same,
)
from tl_keras.training.features import run_batches
from tl_keras.training.inputs import TYPES, batches_of

# Images that a faster runtime has to agree with Keras on, and that features of a disk must match.
_SAMPLE = 16
_SPOT_CHECK = 4


class _View(NamedTuple):
    data: Any
    contents: Contents
    augment: str
    number: int


class _SeenBatches:
    """Batches whose images are seen in a fixed way."""

    def __init__(self, batches: Any, way: View):
        self._batches, self._way = batches, way

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[np.ndarray, Any]]:
        for images, targets in self._batches:
            yield np.stack([self._way.image(image) for image in np.asarray(images)]), targets


class FeatureExtraction:
    """Runs the frozen backbone of a classifier, once per image and augmented view.

    View k holds the images as epoch k of the data set's augmentation shows them, a function of
    (seed, epoch); the head's epoch e then trains on view e modulo K
    (:class:`tl_keras.training.feature_batches.FeatureBatches`).  That gives what training end to
    end on these views gives.

    Make one for a run and ask it for every part of the data: what is converted or traced for the
    first is used for all, and the runtime chosen for the first (by rule, never by a stop watch)
    stays.  Features are found again by what they depend on: the bytes of the files, which are
    hashed at every call, the weights and architecture, preprocessing, size, decoder, augmentation
    and runtime.  Of those from a folder a few rows are besides computed again and compared.

    Args:
        model: A model of ``build_classifier``; an augmentation inside it is left out.
        image_size: Side of the model's square input, px.
        batch_size: Images computed at a time.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        seed: Of the augmentation.
        target: What examples are labelled with, ``"labels"`` or ``"tags"``.
        cache: Where features are kept; by default in memory, until this object goes.
        runtime: ``"auto"``, ``"keras"``, ``"openvino"`` or ``"litert"``.
        precision: ``"float32"``, or by choice ``"bfloat16"`` (OpenVINO), about twice as fast, and
            refused where it does not agree (measured: cosine 0.98 to 0.99 with MobileNetV2).
        verbose: Whether progress goes to standard error.

    Raises:
        InputError: The model is no classifier of this package, or the runtime cannot be used here.

    Example:
        >>> extraction = FeatureExtraction(model, image_size=224)  # doctest: +SKIP
        >>> features = extraction.run(train, augment="light", views=4)  # doctest: +SKIP
        >>> batches = features.batches(32, shuffle=True, seed=0)  # doctest: +SKIP
        >>> head_model(model).fit(batches, epochs=40, shuffle=False)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        image_size: int,
        batch_size: int = 32,
        resize: str = "crop",
        seed: int = 0,
        target: str = "labels",
        cache: FeatureCache | None = None,
        runtime: str = "auto",
        precision: str = "float32",
        verbose: bool = True,
    ) -> None:
        check_runtime(runtime, precision)
        self._features = features_model(model)
        self._pixels = {"image_size": image_size, "resize": resize, "seed": seed}
        self._batch_size, self._target = batch_size, target
        self._cache = FeatureCache() if cache is None else cache
        self._runtime, self._precision, self._verbose = runtime, precision, verbose
        self._extractor: Extractor | None = None
        self._weights = ""

    def run(
        self, data: Any, *, augment: str = "none", views: int = 1, what: str = "images"
    ) -> FeatureSet:
        """Features of a data set, from the cache where they are there.

        Args:
            data: ``Examples``, or arrays ``(images, labels)``, which are not augmented.
            augment: Augmentation preset.
            views: K, augmented views of each image; without augmentation there is one.
            what: Named in the progress bar.

        Raises:
            InputError: ``views`` is no whole number from 1 on, or the data cannot be read.
        """
        if isinstance(views, bool) or not isinstance(views, int) or views < 1:
            raise InputError(f"views={views!r} is no number of views; give 1 or more")
        if not hasattr(data, "dataset"):
            augment = "none"
            self._batches(data, augment)  # refuses what is no pair of arrays that fit the model
        if augment == "none":
            views = 1
        labels = getattr(data, self._target) if hasattr(data, "dataset") else data[1]
        labels = np.array(labels, TYPES[self._target])
        weights = model_digest(self._features)
        if weights != self._weights:
            self._extractor, self._weights = None, weights
        if self._runtime == "auto":
            # Parts of a whole must not differ in what computes them.
            images = max(len(labels), len(self._cache.whole or ())) * views
            self._runtime = preferred_runtime(self._features, images, self._precision)
        contents = read_contents(data)
        computed, arrays = 0, []
        for number in range(views):
            view = _View(data, contents, augment, number)
            rows = self._find(view)
            if rows is None:
                rows = self._from_whole(view)
            if rows is None:
                computed += 1
                name = what if views == 1 else f"{what}, view {number + 1} of {views}"
                rows = self._compute(view, (len(labels), self._features.output_shape[-1]), name)
            arrays.append(rows)
        return FeatureSet(tuple(arrays), labels, self._runtime, computed)

    def run_seen(self, data: Any, ways: Sequence[View], what: str = "images") -> FeatureSet:
        """Features of a data set, each image seen in several fixed ways.

        Args:
            data: As in :meth:`run`.
            ways: How; only features of images as they are come from the cache and go there.
            what: Named in the progress bar.
        """
        plain = self.run(data, what=what)
        arrays = []
        for number, way in enumerate(ways, 1):
            if way == View():
                arrays.append(plain.views[0])
                continue
            batches = _SeenBatches(self._batches(data, "none"), way)
            name = f"features of {what}, way {number} of {len(ways)}"
            compute = keras_run(self._features, self._batch_size)
            blocks = [rows for rows, _ in run_batches(compute, batches, name, self._verbose)]
            arrays.append(np.concatenate(blocks).astype("float32", copy=False))
        return replace(plain, views=tuple(arrays))

    def _find(self, view: _View) -> np.ndarray | None:
        rows = self._cached(view)
        if rows is None and self._extractor is None:
            self._extractor = extractor_for(
                self._features,
                self._runtime,
                lambda: self._first(view, _SAMPLE),
                precision=self._precision,
                verbose=self._verbose,
            )
            if self._extractor.runtime != self._runtime:
                self._runtime = self._extractor.runtime
                rows = self._cached(view)
        return rows

    def _from_whole(self, view: _View) -> np.ndarray | None:
        """Rows of the whole's features, where that has these files and nothing is augmented."""
        whole = self._cache.whole
        # Where an image stands in the table decides about its augmentation, but about nothing else.
        if whole is None or view.data is whole or view.augment != "none":
            return None
        at = {digest: row for row, digest in enumerate(whole.digests)}
        rows = [at.get(digest) for digest in getattr(view.data, "digests", [None])]
        if None in rows:
            return None
        return self.run(whole, what="all images").views[0][rows]

    def _compute(self, view: _View, shape: tuple[int, int], what: str) -> np.ndarray:
        batches = self._batches(view.data, view.augment, view.number)
        blocks = run_batches(self._extractor.run, batches, f"features of {what}", self._verbose)
        return self._cache.fill(
            self._key(view),
            shape,
            (rows for rows, _ in blocks),
            keep=lambda: still_the_same(view.data, view.contents),
        )

    def _cached(self, view: _View) -> np.ndarray | None:
        def still_agrees(rows: np.ndarray) -> bool:
            images = self._first(view, _SPOT_CHECK)
            if keras.backend.backend() == "jax":  # op by op it would compile for half a minute
                expected = keras_run(self._features, self._batch_size)(images)
            else:
                expected = keras.ops.convert_to_numpy(self._features(images, training=False))
            return agrees(expected, rows[: len(images)], self._computed_in)

        return self._cache.get(self._key(view), still_agrees)

    def _key(self, view: _View) -> str:
        return feature_key(
            view.contents,
            self._weights,
            **self._pixels,
            augment=view.augment,
            view=view.number,
            runtime=(self._runtime, str(installed(self._runtime)), self._computed_in),
        )

    @property
    def _computed_in(self) -> str:
        return self._features.output.dtype if self._runtime == "keras" else self._precision

    def _first(self, view: _View, count: int) -> np.ndarray:
        """The first images of a view; where they stand in the table decides about augmentation."""
        if hasattr(view.data, "subset"):
            some = view.data.subset(range(min(count, len(view.data))))
        else:
            some = tuple(column[:count] for column in view.data)
        with reading_errors():
            images, _ = next(iter(self._batches(some, view.augment, view.number)))
        return np.asarray(images)

    def _batches(self, data: Any, augment: str, epoch: int = 0) -> Any:
        batches = batches_of(
            data, augment=augment, batch_size=self._batch_size, target=self._target, **self._pixels
        )
        if hasattr(batches, "epoch_order"):
            set_epoch(batches, epoch)
        return batches
