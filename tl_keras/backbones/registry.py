"""All known backbones by name.  Keras is not imported here, so listing them is quick."""

import difflib
from typing import TYPE_CHECKING, Any

from tl_keras.backbones.catalogue import catalogue
from tl_keras.backbones.record import Backbone
from tl_keras.errors import InputError

if TYPE_CHECKING:
    import keras

__all__ = ["Backbone", "find_backbone", "get_backbone", "list_backbones", "register_backbone"]

_RECORDS: dict[str, Backbone] = {record.name: record for record in catalogue()}


def register_backbone(record: Backbone | None = None, /, **fields: Any) -> Backbone:
    """Add a backbone of your own, as a :class:`Backbone` or as its fields.

    Args:
        record: The record; or leave it out and give its fields by name.
        **fields: Fields of :class:`Backbone`; ``name`` and ``builder`` are required.

    Returns:
        The record, as registered.

    Raises:
        InputError: The name is taken, or a field cannot be used.

    Example:
        >>> import keras
        >>> def two_strides(input_shape):
        ...     image = keras.Input(input_shape)
        ...     x = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(image)
        ...     return keras.Model(image, keras.layers.Conv2D(16, 3, 2, padding="same")(x))
        >>> register_backbone(name="two_strides", builder=two_strides, image_size=64).image_size
        64
        >>> "two_strides" in list_backbones()
        True
    """
    if record is None:
        try:
            record = Backbone(**fields)
        except TypeError as error:
            raise InputError(
                f"these fields make no backbone ({error}); give name, builder and fields of "
                "tl_keras.Backbone"
            ) from error
    elif fields:
        raise InputError("got a record and fields besides; give one or the other")
    if record.name in _RECORDS:
        raise InputError(f"a backbone named {record.name!r} is registered already; rename yours")
    _RECORDS[record.name] = record
    return record


def get_backbone(name: str) -> Backbone:
    """The record of that name.

    Args:
        name: A name of :func:`list_backbones`.

    Returns:
        The record.

    Raises:
        InputError: There is none of that name; the nearest names are given.

    Example:
        >>> get_backbone("inception_v3").minimum_size
        75
    """
    if name in _RECORDS:
        return _RECORDS[name]
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), _RECORDS, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise InputError(f"unknown backbone {name!r}; {hint}`tl-keras backbones` lists all")


def list_backbones(
    *,
    max_parameters: int | None = None,
    family: str | None = None,
    weights: str | None = None,
    image_size: int | None = None,
) -> list[str]:
    """Names of the registered backbones that pass every given filter.

    Args:
        max_parameters: At most so many parameters (without a head).
        family: Of this family, upper or lower case.
        weights: Having these published weights: ``"imagenet"`` or ``"bundled"``.
        image_size: Able to take square images of this side, px.

    Returns:
        Names in the order of registration, family by family.

    Raises:
        InputError: The family or the weights are unknown.

    Example:
        >>> list_backbones(family="Inception")
        ['inception_v3']
        >>> list_backbones(max_parameters=600_000, image_size=32)
        ['mobilenet_025', 'mobilenet_v2_035', 'mobilenet_v3_small_075']
    """
    families = {record.family.lower(): record.family for record in _RECORDS.values()}
    if family is not None and family.lower() not in families:
        raise InputError(
            f"unknown family {family!r}; give one of {', '.join(sorted(families.values()))}"
        )
    if weights not in (None, "imagenet", "bundled"):
        raise InputError(f"weights={weights!r} is no filter; give 'imagenet' or 'bundled'")
    return [
        record.name
        for record in _RECORDS.values()
        if (
            max_parameters is None
            or (record.parameters is not None and record.parameters <= max_parameters)
        )
        and (family is None or record.family.lower() == family.lower())
        and (weights is None or weights in record.weights)
        and (image_size is None or record.minimum_size <= image_size)
    ]


def find_backbone(model: "keras.Model") -> "keras.Model":
    """The base inside a model, built here or reloaded from a file.

    Args:
        model: A base itself, or a model that holds one as a nested layer.

    Returns:
        The nested base, whose name is its registry name.

    Raises:
        InputError: The model holds no base, or several.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> find_backbone(model).name
        'mobilenet_025'
    """
    import keras

    if model.name in _RECORDS:
        return model
    nested = [layer for layer in getattr(model, "layers", ()) if isinstance(layer, keras.Model)]
    # By its name; or, in a process where a user's base is not registered, by its feature map.
    found = [layer for layer in nested if layer.name in _RECORDS] or [
        layer
        for layer in nested
        if layer.name != "augmentation" and len(getattr(layer, "output_shape", ())) == 4
    ]
    if len(found) != 1:
        raise InputError(
            f"model {model.name!r} holds {len(found)} backbones; "
            "give one built by tl_keras, or a base of tl_keras.build_backbone"
        )
    return found[0]
