"""What a class is called in words: prompts, and templates that make several of one name."""

import string
from collections.abc import Mapping, Sequence

from tl_keras.errors import InputError

#: Sets of templates by name.  ``photos`` are the seven that CLIP's authors found to do best
#: together on ImageNet:
#: https://github.com/openai/CLIP/blob/main/notebooks/Prompt_Engineering_for_ImageNet.ipynb
TEMPLATES: dict[str, tuple[str, ...]] = {
    "plain": ("{}",),
    "photo": ("a photo of a {}.",),
    "photos": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
}

Prompts = Sequence[str] | Mapping[str, str | Sequence[str]]


def prompts_by_class(
    prompts: Prompts, templates: str | Sequence[str] = "plain"
) -> dict[str, tuple[str, ...]]:
    """Every text of every class.

    Args:
        prompts: A text a class, which is then the class's name; or a mapping from names to one
            text or several.
        templates: A name of :data:`TEMPLATES`, or texts that each hold ``{}`` once, where a prompt
            goes.

    Returns:
        Class names, in the order given, to texts: each prompt in each template.

    Raises:
        InputError: There are under two classes, a text is empty or stands for two classes, or a
            template has no place for a prompt.

    Example:
        >>> prompts_by_class(["ant", "bee"], "photo")["bee"]
        ('a photo of a bee.',)
        >>> prompts_by_class({"sound": "a flawless tile", "bad": ["a crack", "a hole"]})["bad"]
        ('a crack', 'a hole')
    """
    given = _by_class(prompts)
    filled = _templates(templates)
    if len(given) < 2:
        raise InputError(
            f"{len(given)} prompt(s) given; give two or more, one of them for what is not meant "
            "(such as 'a scratched tile' and 'a flawless tile')"
        )
    texts = {
        name: tuple(template.format(prompt) for prompt in own for template in filled)
        for name, own in given.items()
    }
    owner: dict[str, str] = {}
    for name, own in texts.items():
        for text in own:
            if owner.setdefault(text, name) != name:
                raise InputError(
                    f"the prompt {text!r} stands for both {owner[text]!r} and {name!r}; give each "
                    "class its own"
                )
    return texts


def _by_class(prompts: Prompts) -> dict[str, tuple[str, ...]]:
    if isinstance(prompts, Mapping):
        given = {
            name: (own,) if isinstance(own, str) else tuple(own) for name, own in prompts.items()
        }
    elif isinstance(prompts, str) or not isinstance(prompts, Sequence):
        raise InputError(
            f"prompts={prompts!r} is no list; give one text a class, such as ['a', 'b']"
        )
    else:
        twice = {text for text in prompts if list(prompts).count(text) > 1}
        if twice:
            raise InputError(f"the prompt {min(twice)!r} is given twice; give each class its own")
        given = {text: (text,) for text in prompts}
    for name, own in given.items():
        for text in (name, *own):
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"{text!r} is no prompt; give words")
        if not own:
            raise InputError(f"class {name!r} has no prompt; give it words")
    return given


def _templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(templates, str):
        if templates not in TEMPLATES:
            raise InputError(
                f"templates={templates!r} is unknown; give one of {', '.join(TEMPLATES)}, or a "
                "list such as ['a photo of a {}.']"
            )
        return TEMPLATES[templates]
    for template in templates:
        if not isinstance(template, str) or not _has_one_place(template):
            raise InputError(
                f"the template {template!r} has not one place for a prompt; write {{}} there, such "
                "as 'a photo of a {}.'"
            )
    if not templates:
        raise InputError("no templates given; leave them out for the prompts as they are")
    return tuple(templates)


def _has_one_place(template: str) -> bool:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template)]
    except ValueError:
        return False
    return [field for field in fields if field is not None] == [""]
