"""What can be learned, by name; without Keras, for command lines that have not started it yet."""

#: Each task in a few words.
KINDS = {
    "classify": "one class per image",
    "tag": "any number of tags per image",
    "localize": "one class per image, and a box around it",
    "detect": "any number of things per image, a box around each",
    "segment": "a class for every pixel",
    "instances": "every single thing, pixel by pixel",
    "embed": "a vector per image, near for the same class or product",
}

#: Tasks to which the pixels of nothing are a class of their own.
WITH_BACKGROUND = ("segment",)

#: Tasks whose head reads one vector an image, so that a frozen base is computed once.
POOLED = ("classify", "tag", "embed")

#: Tasks whose validation data may have other classes, or none of some.
OPEN_SET = ("embed",)

#: Tasks with probabilities an image, which views of it and several models can average.
AVERAGED = ("classify", "tag")

#: What tasks cannot do without.
NEEDS = {"localize": "boxes", "detect": "boxes", "segment": "masks", "instances": "masks"}
