"""Classes named in words alone: predictions without training, and their artefact."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tl_keras
from tl_keras.artefact.predictor import Predictor
from tl_keras.artefact.writing import FORMAT, check_output
from tl_keras.backbones.towers import Towers, open_towers
from tl_keras.builders.prompts import Prompts, prompts_by_class
from tl_keras.builders.zero_shot import PRESET, build_zero_shot
from tl_keras.data.decoding import DECODER
from tl_keras.errors import InputError
from tl_keras.tasks.classification import Prediction


def zero_shot(
    images: Any,
    prompts: Prompts,
    model: str | Path | Towers = PRESET,
    *,
    templates: str | Sequence[str] = "plain",
) -> list[Prediction]:
    """Say which text describes each image best; nothing is trained.

    For images that come in several calls, make a :class:`ZeroShot` once: it keeps the towers.

    Args:
        images: As of :meth:`tl_keras.artefact.predictor.Predictor.predict`, or ``Examples``, of
            which the paths are taken.
        prompts: As of ``build_zero_shot``, and so are the others.
        model: A preset of KerasHub by name (fetched on first use), handle or folder;
            or towers of ``open_towers``.
        templates: ``"plain"``, ``"photo"``, ``"photos"``, or texts with ``{}``.

    Returns:
        For each image in order its class (the prompt, or its name in a mapping), the probability
        of that, and those of all.

    Raises:
        InputError: An image cannot be read, the prompts cannot be used, KerasHub is not installed,
            or the preset cannot be had.

    Example:
        >>> tl.zero_shot("tile.jpg", ["a scratched tile", "a flawless tile"])  # doctest: +SKIP
        [Prediction(source='tile.jpg', class_name='a scratched tile', probability=0.91, …)]
    """
    return ZeroShot(prompts, model, templates=templates).predict(getattr(images, "paths", images))


class ZeroShot(Predictor):
    """A classifier made of words; predicts and evaluates as a trained one does.

    Args:
        prompts: As of ``build_zero_shot``.
        model: A preset of KerasHub by name, handle or folder, or towers.
        templates: As of ``build_zero_shot``.

    Raises:
        InputError: The prompts cannot be used, or the preset cannot be had.

    Example:
        >>> tiles = ZeroShot(
        ...     {"bad": "a scratched tile", "good": "a flawless tile"}
        ... )  # doctest: +SKIP
        >>> tiles.evaluate(examples)["accuracy"]["value"]  # doctest: +SKIP
        0.84
        >>> tiles.save("saved_models/tiles")  # doctest: +SKIP
    """

    home = None  # trained on nothing here

    def __init__(
        self,
        prompts: Prompts,
        model: str | Path | Towers = PRESET,
        *,
        templates: str | Sequence[str] = "plain",
    ):
        texts = prompts_by_class(prompts, templates)
        towers = model if isinstance(model, Towers) else open_towers(model)
        description = {
            "format": FORMAT,
            "task": "classify",
            "class_names": list(texts),
            "settings": {},
            **preset_notes(towers.preset, texts),
            "image_size": towers.image.input_shape[1],
            "resize": towers.resize,
        }
        self._hold(build_zero_shot(texts, towers), description)
        self._saved: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it was saved.

        Raises:
            InputError: It was not.
        """
        if self._saved is None:
            raise InputError("this classifier is in memory only; save it, and open it from there")
        return self._saved

    def save(self, path: str | Path) -> Path:
        """Write the artefact, as a run does: ``model.keras`` and ``model.json``.

        ``predict``, ``evaluate`` and ``export`` take it; opening it needs KerasHub, what is
        exported does not.

        Args:
            path: A folder that does not exist yet, or is empty.

        Returns:
            The folder.

        Raises:
            InputError: Another run stands there, or it cannot be written.

        Example:
            >>> ZeroShot(["an ant", "a bee"]).save("saved_models/insects")  # doctest: +SKIP
        """
        path = Path(path)
        check_output(path)
        temporary = Path(tempfile.mkdtemp(prefix=".tl-keras-", dir=path.parent))
        try:
            self.model.save(temporary / "model.keras")
            description = {
                **self.description,
                "decoder": DECODER,
                "channels": "RGB, 0..255",
                "metrics": {},
                "parameters": self.model.count_params(),
                "versions": {
                    "tl_keras": tl_keras.__version__,
                    **{name: version(name) for name in ("keras", "keras-hub", "numpy", "pillow")},
                },
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            (temporary / "model.json").write_text(json.dumps(description, indent=2))
            temporary.chmod(0o755)
            temporary.replace(path)
            self._saved = path
        except OSError as problem:
            raise InputError(
                f"cannot write the artefact to {path} ({problem}); free space there or give "
                "another folder"
            ) from problem
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return path


def preset_notes(preset: str, texts: dict[str, Sequence[str]]) -> dict[str, Any]:
    """Entries of ``model.json`` that say what a model of towers and texts was made of.

    Args:
        preset: Of KerasHub.
        texts: Of each class, as ``prompts_by_class`` gives them.

    Example:
        >>> preset_notes("clip_vit_base_patch32", {"ant": ["an ant"]})["texts"]
        {'ant': ['an ant']}
    """
    return {
        "backbone": f"image tower of {preset}",
        "weights": preset,
        "texts": {name: list(own) for name, own in texts.items()},
    }
