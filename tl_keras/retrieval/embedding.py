"""What turns pictures into vectors that an index can keep: :func:`open_embedder`."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.artefact.predictor import Predictor, as_list
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.backbones.registry import list_backbones
from tl_keras.builders.embedder import build_embedder, embedder_of
from tl_keras.data.decoding import DECODER, load_image
from tl_keras.data.resizing import check_resize
from tl_keras.data.scanning import workers
from tl_keras.errors import InputError
from tl_keras.training.extractor_runtimes import Run, keras_run
from tl_keras.training.extractors import extractor_for, preferred_runtime
from tl_keras.training.feature_key import model_digest

_EMBEDS = ("embed", "classify", "tag")
_BATCH = 32
_AHEAD = 2  # batches that are decoded while the model is at another
_SAMPLE = 16  # pictures that a faster runtime has to agree with Keras on


class Embedder:
    """Pictures to vectors of length 1, and a fingerprint that tells its vectors from all others.

    Args:
        model: From images (B, S, S, 3) RGB 0..255 to float32 (B, D), each row of length 1; it is
            not trained further.
        image_size: S, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        source: What opens it again, of JSON values.
        task_name: What the model was trained for; None for an untrained base.
        settings: Of the artefact, such as the cosine from which two images count as one class.

    Attributes:
        dimension: D.
        fingerprint: SHA-256, in hexadecimal, of architecture, weights and preprocessing, image
            size, way of resizing and decoder.

    Example:
        >>> embedder = open_embedder("mobilenet_v3_small", image_size=64)  # doctest: +SKIP
        >>> embedder.vectors(["a.jpg", "b.jpg"]).shape  # doctest: +SKIP
        (2, 576)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        image_size: int,
        resize: str = "crop",
        source: Mapping[str, Any],
        task_name: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_resize(image_size, resize)
        self.model, self.image_size, self.resize = model, image_size, resize
        self.source, self.task_name = dict(source), task_name
        self.settings = dict(settings or {})
        self.dimension: int = model.output_shape[-1]
        parts = [model_digest(model), image_size, resize, DECODER]
        self.fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self._runs: dict[str, Run] = {}
        self._one = keras_run(model)

    def vectors(self, sources: Any, verbose: bool = False) -> np.ndarray:
        """The vectors of pictures.

        Many are computed by the quickest runtime that agrees with Keras and is worth its
        conversion (:mod:`tl_keras.training.extractors`): to a cosine of 0.9999 or more.

        Args:
            sources: One or a list of: a path, the bytes of an image file, a uint8 array (H, W),
                (H, W, 3) or (H, W, 4), 0..255, of any size; or ``Examples``.  An array
                (N, H, W, 3) is N images.
            verbose: Whether a progress bar is shown on standard error.

        Returns:
            float32 (N, D), each row of length 1 (zeros where the model sees nothing at all).

        Raises:
            InputError: One is no picture that can be read; its name stands in the message.
        """
        found = [rows for _, rows in self.batches(sources, verbose)]
        return np.concatenate(found) if found else np.zeros((0, self.dimension), np.float32)

    def batches(
        self,
        sources: Any,
        verbose: bool = False,
        failed: list[tuple[int, InputError]] | None = None,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """The vectors batch by batch, so that no more than a few batches are in memory.

        Args:
            sources: As of :meth:`vectors`.
            verbose: As of :meth:`vectors`.
            failed: Takes position and error of each picture that cannot be read; by default the
                first one is raised.

        Yields:
            Positions in ``sources``, in order, and their vectors, float32 (B, D).

        Raises:
            InputError: As :meth:`vectors`.
        """
        from tqdm import tqdm

        listed = list(sources.paths) if hasattr(sources, "paths") else as_list(sources)
        run = self._run(listed, verbose)
        with tqdm(
            total=len(listed), desc="  embedding", unit="image", disable=not verbose, leave=False
        ) as bar:
            for positions, images, asked in self._decoded(listed, failed):
                if positions:
                    yield positions, np.asarray(run(images), np.float32)
                bar.update(asked)

    def _run(self, sources: Sequence[Any], verbose: bool) -> Run:
        """What computes so many; made once for each runtime."""
        if len(sources) == 1:
            return self._one  # a batch would be filled up
        runtime = preferred_runtime(self.model, len(sources))
        if runtime not in self._runs:
            extractor = extractor_for(
                self.model, runtime, lambda: self._sample(sources), verbose=verbose
            )
            self._runs[runtime] = extractor.run
        return self._runs[runtime]

    def _sample(self, sources: Sequence[Any]) -> np.ndarray:
        """The first pictures that can be read."""
        images = []
        for source in sources:
            try:
                images.append(load_image(source, self.image_size, self.resize))
            except InputError:
                continue
            if len(images) == _SAMPLE:
                break
        return np.stack(images) if images else np.zeros((1, *self.model.input_shape[1:]), np.uint8)

    def _decoded(
        self, sources: Sequence[Any], failed: list[tuple[int, InputError]] | None
    ) -> Iterator[tuple[list[int], np.ndarray, int]]:
        """Positions and pixels of what can be read, and how many were asked for."""

        def decode(source: Any) -> np.ndarray:
            return load_image(source, self.image_size, self.resize)

        starts = range(0, len(sources), _BATCH)
        coming: list[list[Future]] = []
        with ThreadPoolExecutor(workers()) as pool:
            try:
                for number, start in enumerate(starts):
                    for ahead in starts[number + len(coming) : number + 1 + _AHEAD]:
                        some = sources[ahead : ahead + _BATCH]
                        coming.append([pool.submit(decode, source) for source in some])
                    positions, images = [], []
                    futures = coming.pop(0)
                    for position, future in enumerate(futures, start):
                        try:
                            images.append(future.result())
                            positions.append(position)
                        except InputError as error:
                            if failed is None:
                                raise
                            failed.append((position, error))
                    yield positions, np.stack(images) if images else np.empty(0), len(futures)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def open_embedder(
    source: str | Path | Predictor | Mapping[str, Any],
    *,
    weights: str | None = None,
    image_size: int | None = None,
    resize: str | None = None,
) -> Embedder:
    """Open what turns pictures into vectors.

    A classifier or tagger embeds by the features behind its base (``embedder_of``); a base that
    nobody trained further by its feature map, averaged.

    Args:
        source: The folder of an artefact with ``--task embed``, ``classify`` or ``tag``; one that
            is open already (:func:`tl_keras.load`); the name of a base of ``list_backbones``; or
            :attr:`Embedder.source`.
        weights: Of a base, as for ``build_backbone``; by default the shipped ones for the shipped
            base, ``"imagenet"`` for any other.
        image_size: Side of a base's square input, px; by default the one the weights were made
            for.
        resize: How pictures become square for a base: ``"crop"`` (the default), ``"pad"`` or
            ``"stretch"``.

    Raises:
        InputError: There is no such artefact or base, it makes no vectors, its weights cannot be
            had, or an argument is the artefact's to decide.

    Example:
        >>> embedder = open_embedder("saved_models/fashion")  # doctest: +SKIP
        >>> embedder.vectors("shirt.jpg").shape, embedder.settings  # doctest: +SKIP
        ((1, 256), {'threshold': 0.61, 'false_accept_rate': 0.01})
    """
    asked = {"weights": weights, "image_size": image_size, "resize": resize}
    if isinstance(source, Mapping):
        asked |= {key: value for key, value in source.items() if key in asked}
        source = source.get("artefact") or source.get("backbone") or ""
    if isinstance(source, str) and not (Path(source) / "model.json").exists():
        if source in list_backbones():
            return _of_base(source, **asked)
        if not Path(source).exists():
            raise InputError(
                f"{source!r} is neither the folder of a trained model nor a base; give a folder "
                "that `tl-keras train` wrote, or a name of `tl-keras backbones`"
            )
    given = [name for name, value in asked.items() if value is not None]
    if given:
        raise InputError(
            f"{' and '.join(given)}: a trained model brings its own; leave it out, or give the "
            "name of a base"
        )
    return _of_artefact(source if isinstance(source, Predictor) else Predictor(source))


def _of_artefact(predictor: Predictor) -> Embedder:
    name = predictor.task.name
    if name not in _EMBEDS:
        raise InputError(
            f"{predictor.folder} was trained with --task {name}, which looks for things within an "
            f"image and has no vector of the whole; give one of --task {', '.join(_EMBEDS)}"
        )
    return Embedder(
        embedder_of(predictor.model),
        image_size=predictor.image_size,
        resize=predictor.resize,
        source={"artefact": str(predictor.folder.resolve())},
        task_name=name,
        settings=predictor.settings,
    )


def _of_base(
    name: str, weights: str | None, image_size: int | None, resize: str | None
) -> Embedder:
    weights = weights or ("bundled" if name in bundled_backbones() else "imagenet")
    if str(weights) == "none":
        raise InputError("random weights see nothing; give weights that were trained")
    if weights not in ("bundled", "imagenet"):
        weights = str(Path(weights).resolve())
    resize = resize or "crop"
    if image_size is not None:
        check_resize(image_size, resize)
    model = build_embedder(name, None, image_size=image_size, weights=weights)
    image_size = model.input_shape[1]
    source = {"backbone": name, "weights": weights, "image_size": image_size, "resize": resize}
    return Embedder(model, image_size=image_size, resize=resize, source=source)
