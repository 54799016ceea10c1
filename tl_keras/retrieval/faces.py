"""People known by pictures of their faces: enrolled and removed without training.

An embedder says how alike two pictures are.  Two thresholds make answers of that, and both are set
on *people apart*: people who are neither enrolled nor among those the embedder was trained on.  One
is for pairs ("are these two of one person"), for a stated false-accept rate; the other for a
picture against all who are enrolled ("who is this, if anyone"), for a stated false-alarm rate.

What it must not be trusted for:

- To let anyone in, or to keep anyone out: a photograph held before the camera passes for the
  person (nothing here looks for life), and rates near 1 % are far too high for a lock.
- To accuse anyone, or to look for someone among strangers: of many strangers, some are named.
- On people unlike those apart, and under other light, age, pose or cameras: the rates hold for
  pictures like those they were set on.  How they differ between ages, skin colours and sexes was
  not measured; embedders trained on few people treat groups unequally (Buolamwini and Gebru 2018,
  "Gender Shades").  Twins and near relatives may be one person to it.
- Pictures must show one face, upright, filling most of the frame and cut alike: nothing here finds
  or turns faces.

A gallery holds no pictures, but vectors and names.  Vectors that tell people apart are biometric
data (in the European Union: Article 9 of the GDPR): ask people before enrolling them, and keep the
folder as safe as the pictures.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval.face_answers import Identified, Verified, digest_of, source_name
from tl_keras.retrieval.face_thresholds import check_rate, naming_threshold, pair_threshold
from tl_keras.retrieval.vector_index import VectorIndex

if TYPE_CHECKING:
    from tl_keras.retrieval.embedding import Embedder

_FILE = "gallery.json"
_FORMAT = 1
#: Rate of wrong answers where nobody says.
RATE = 0.01
# Pictures of the gallery looked at for the names nearest to one.
_DEPTH = 50


class FaceGallery:
    """People enrolled in a folder; readers and a writer at once, and kill -9, do it no harm.

    The folder holds two indexes, ``enrolled/`` and ``apart/``, and ``gallery.json``.

    Args:
        folder: Of the gallery.
        embedder: Of :func:`tl_keras.retrieval.embedding.open_embedder`; by default the one the
            gallery was made with, opened where it was then.

    Attributes:
        folder: Where it is.

    Raises:
        InputError: There is no gallery, or it is of another model.

    Example:
        >>> embedder = open_embedder("saved_models/people")  # doctest: +SKIP
        >>> gallery = FaceGallery.create("gallery", embedder)  # doctest: +SKIP
        >>> gallery.enroll(["ann1.jpg", "ann2.jpg", "bob.jpg"], ["Ann", "Ann", "Bob"])
        ... # doctest: +SKIP
        3
        >>> gallery.set_apart(paths, names)  # doctest: +SKIP
        >>> gallery.identify(["door.jpg"])[0].person  # doctest: +SKIP
        'Ann'
    """

    def __init__(self, folder: str | os.PathLike, embedder: "Embedder | None" = None):
        self.folder = Path(folder)
        self._said = _read(self.folder)
        self._embedder = embedder
        fingerprint = self._said["fingerprint"] if embedder is None else embedder.fingerprint
        self._enrolled = VectorIndex(self.folder / "enrolled", fingerprint)
        self._apart = VectorIndex(self.folder / "apart", fingerprint)

    @classmethod
    def create(cls, folder: str | os.PathLike, embedder: "Embedder") -> "FaceGallery":
        """Makes an empty gallery.

        Args:
            folder: Where; made if it is not there.
            embedder: Whose vectors it keeps, for good.

        Raises:
            InputError: There is one already, or the folder cannot be written.
        """
        folder = Path(folder)
        if (folder / _FILE).exists():
            raise InputError(f"{folder} holds a gallery already; open it, or give another folder")
        for name in ("enrolled", "apart"):
            if not (folder / name / "index.json").exists():  # of a creation that was killed
                VectorIndex.create(folder / name, embedder.dimension, embedder.fingerprint)
        said = {
            "format": _FORMAT,
            "embedder": embedder.source,
            "fingerprint": embedder.fingerprint,
        }
        scratch = folder / f"{_FILE}.new"
        scratch.write_text(json.dumps(said, indent=1), encoding="utf-8")
        scratch.replace(folder / _FILE)
        return cls(folder, embedder)

    @property
    def embedder(self) -> "Embedder":
        """What makes its vectors; opened on first use.

        Raises:
            InputError: The model is not where it was, or has changed since.
        """
        if self._embedder is None:
            from tl_keras.retrieval.embedding import open_embedder

            made_with = self._said["embedder"]
            try:
                found = open_embedder(made_with)
            except InputError as problem:
                raise InputError(
                    f"{problem}; {self.folder} was made with it, so where it has moved, say where "
                    "it is now (--model)"
                ) from None
            if found.fingerprint != self._said["fingerprint"]:
                raise InputError(
                    f"{made_with.get('artefact') or made_with.get('backbone')} has changed since "
                    f"{self.folder} was made with it; bring the old one back, or enroll everyone "
                    "anew in another gallery"
                )
            self._embedder = found
        return self._embedder

    def people(self) -> dict[str, int]:
        """Pictures of everyone enrolled, by name in alphabetical order."""
        return _counted(self._enrolled)

    def people_apart(self) -> dict[str, int]:
        """Pictures of the people apart, the same."""
        return _counted(self._apart)

    def enroll(
        self, pictures: Sequence[Any], names: Sequence[str] | str, *, verbose: bool = False
    ) -> int:
        """Adds pictures of people, known or new; all of them or, after an error, none.

        Args:
            pictures: Paths, bytes of image files, or arrays uint8 (H, W, 3).
            names: Who is in each, or one name for all.
            verbose: Whether progress goes to standard error.

        Returns:
            How many were new; a picture that the person has already is passed over.

        Raises:
            InputError: A picture cannot be read, or is enrolled under another name or apart.
        """
        return self._add(self._enrolled, self._apart, pictures, names, verbose)

    def set_apart(
        self, pictures: Sequence[Any], names: Sequence[str] | str, *, verbose: bool = False
    ) -> int:
        """Adds pictures of people apart, on whom thresholds are set; nobody is named after them.

        They should be like those who will come (light, camera, ages), and many: a rate of 1 %
        needs 100 pictures or more, and pairs of one person.

        Args:
            pictures: As in :meth:`enroll`.
            names: Who is in each; one name for someone's pictures is enough, true or not.
            verbose: Whether progress goes to standard error.

        Returns:
            How many were new.

        Raises:
            InputError: A picture cannot be read, or is enrolled or here under another name.
        """
        return self._add(self._apart, self._enrolled, pictures, names, verbose)

    def remove(self, names: Sequence[str] | str) -> int:
        """Removes people, and all that is kept of them.

        Args:
            names: Of people enrolled or apart.

        Returns:
            How many pictures they had.

        Raises:
            InputError: There is nobody of a name; then nobody is removed.
        """
        wanted = {names} if isinstance(names, str) else set(names)
        known = self.people() | self.people_apart()
        for name in sorted(wanted - set(known)):
            raise InputError(f"{self.folder} knows no {name!r}; it knows {_listed(known)}")
        gone = 0
        for index in (self._enrolled, self._apart):
            ids = [one for one, row in _rows(index) if row["person"] in wanted]
            index.delete(ids)
            gone += len(ids)
        return gone

    def threshold(self, false_accept_rate: float = RATE) -> float:
        """The cosine from which on two pictures count as one person.

        Args:
            false_accept_rate: Share of pairs of two people that may be taken for one, set on the
                people apart; where there are none, the threshold of the embedder's own
                validation, for the rate it was set for.

        Raises:
            InputError: The rate is out of range, or too few people are apart to show it.
        """
        check_rate(false_accept_rate, "false-accept rate")
        apart = _rows(self._apart)
        if apart:
            return pair_threshold(*self._vectors_apart(), false_accept_rate)
        settings = self.embedder.settings
        if "threshold" in settings and settings.get("false_accept_rate") == false_accept_rate:
            return float(settings["threshold"])
        raise self._nobody_apart(false_accept_rate)

    def naming_threshold(self, false_alarm_rate: float = RATE) -> float:
        """The cosine from which on a picture gets the name of the most alike one enrolled.

        It rises as people are enrolled, so that the rate stays.

        Args:
            false_alarm_rate: Share of pictures of unknown people that may get a name, set on the
                people apart.

        Raises:
            InputError: The rate is out of range, nobody is enrolled, or too few people are apart.
        """
        check_rate(false_alarm_rate, "false-alarm rate")
        self._check_enrolled()
        if not self._apart.count():
            raise self._nobody_apart(false_alarm_rate)
        gallery = self._enrolled.vectors(self._enrolled.ids())
        return naming_threshold(gallery, self._vectors_apart()[0], false_alarm_rate)

    def verify(
        self,
        first: Any,
        second: Any,
        *,
        false_accept_rate: float = RATE,
        threshold: float | None = None,
    ) -> Verified:
        """Says whether two pictures, of people enrolled or not, show one person.

        Args:
            first: A path, bytes of an image file, or an array uint8 (H, W, 3).
            second: Another.
            false_accept_rate: As in :meth:`threshold`.
            threshold: In its place.

        Raises:
            InputError: A picture cannot be read, or there is no such threshold.
        """
        rate = false_accept_rate if threshold is None else None
        cut = self.threshold(false_accept_rate) if threshold is None else _cosine(threshold)
        one, other = self.embedder.vectors([first, second])
        score = float(np.clip(one @ other, -1, 1))
        names = source_name(first), source_name(second, 1)
        return Verified(*names, score >= cut, score, cut, rate)

    def identify(
        self,
        pictures: Sequence[Any],
        *,
        false_alarm_rate: float = RATE,
        threshold: float | None = None,
        verbose: bool = False,
    ) -> list[Identified]:
        """Names who is in each picture, or nobody known.

        Args:
            pictures: As in :meth:`enroll`.
            false_alarm_rate: As in :meth:`naming_threshold`.
            threshold: In its place.
            verbose: Whether progress goes to standard error.

        Returns:
            One for each, in order.

        Raises:
            InputError: Nobody is enrolled, a picture cannot be read, or there is no such
                threshold.
        """
        self._check_enrolled()
        rate = false_alarm_rate if threshold is None else None
        cut = self.naming_threshold(false_alarm_rate) if threshold is None else _cosine(threshold)
        answers = []
        for place, vector in enumerate(self.embedder.vectors(pictures, verbose=verbose)):
            best: dict[str, float] = {}
            for hit in self._enrolled.search(vector, _DEPTH):
                best.setdefault(hit.metadata["person"], float(hit.score))
            nearest = tuple(list(best.items())[:3])
            person, score = nearest[0]
            named = person if score >= cut else None
            answers.append(
                Identified(source_name(pictures[place], place), named, score, cut, rate, nearest)
            )
        return answers

    def _add(
        self, into: VectorIndex, other: VectorIndex, pictures: Sequence[Any],
        names: Sequence[str] | str, verbose: bool,
    ) -> int:  # fmt: skip
        pictures = list(pictures)
        people = [names] * len(pictures) if isinstance(names, str) else list(names)
        if not pictures or len(people) != len(pictures):
            raise InputError(
                f"{len(people)} names for {len(pictures)} pictures; give one or more, and a name "
                "for each"
            )
        for name in people:
            if not isinstance(name, str) or not name.strip():
                raise InputError(f"{name!r} is no name; give everyone one that is not empty")
        known = {one: row["person"] for one, row in _rows(into)}
        elsewhere = {one: row["person"] for one, row in _rows(other)}
        where = "apart" if other is self._apart else "enrolled"
        for name in sorted(set(people) & set(elsewhere.values())):
            raise InputError(
                f"someone called {name!r} is {where} already, and thresholds must be set on people "
                "who are not enrolled; remove them there, or give another person another name"
            )
        new: dict[str, tuple[Any, str, str]] = {}
        for place, (picture, person) in enumerate(zip(pictures, people, strict=True)):
            source, digest = source_name(picture, place), digest_of(picture)
            if digest in elsewhere:
                raise InputError(
                    f"{source} is {where} already, as {elsewhere[digest]!r}, and thresholds must "
                    "be set on people who are not enrolled; remove them there"
                )
            there = known.get(digest) or (new[digest][1] if digest in new else None)
            if there not in (None, person):
                raise InputError(
                    f"{source} is given as {person!r}, the same picture as {there!r}; leave one out"
                )
            if there is None:
                new[digest] = (picture, person, source)
        if new:
            vectors = self.embedder.vectors([one[0] for one in new.values()], verbose=verbose)
            rows = [{"person": person, "path": source} for _, person, source in new.values()]
            into.add(list(new), vectors, rows)
        return len(new)

    def _check_enrolled(self) -> None:
        if not self._enrolled.count():
            raise InputError(f"nobody is enrolled in {self.folder}; enroll someone first")

    def _vectors_apart(self) -> tuple[np.ndarray, np.ndarray]:
        rows = _rows(self._apart)
        labels = np.unique([row["person"] for _, row in rows], return_inverse=True)[1]
        return self._apart.vectors([one for one, _ in rows]), labels

    def _nobody_apart(self, rate: float) -> InputError:
        return InputError(
            f"no threshold for a rate of {rate:g}: {self.folder} has nobody apart to set it on; "
            "set pictures of people apart who are not enrolled (tl-keras faces apart, "
            f"{int(np.ceil(1 / rate))} or more), or give a threshold"
        )


def _read(folder: Path) -> dict[str, Any]:
    try:
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if said["format"] != _FORMAT or not {"embedder", "fingerprint"} <= set(said):
            raise ValueError("another format")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder} holds no gallery; make one with tl-keras faces enroll --model"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{folder / _FILE} is no gallery of this version of tl-keras ({error}); enroll people "
            "anew in another folder"
        ) from None
    return said


def _rows(index: VectorIndex) -> list[tuple[str, dict[str, Any]]]:
    ids = index.ids()
    return list(zip(ids, index.metadata(ids), strict=True))


def _counted(index: VectorIndex) -> dict[str, int]:
    names, counts = np.unique([row["person"] for _, row in _rows(index)], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _cosine(threshold: Any) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise InputError(f"threshold {threshold!r} is no number; give a cosine, -1 to 1")
    if not -1 <= threshold <= 1:
        raise InputError(f"threshold {threshold:g} is no cosine; give -1 to 1")
    return float(threshold)


def _listed(names: dict[str, int]) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "nobody"
