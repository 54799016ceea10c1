"""Vectors as embeddings are: kinds within kinds, and few directions that matter."""

import numpy as np


def clustered(count, dimension, seed=0, kinds=20, styles=200, part=0):
    """Unit vectors, float32; other parts of a seed are drawn around the same kinds."""
    world = np.random.default_rng([7, seed])
    spectrum = np.arange(1, dimension + 1) ** -0.5
    spectrum /= np.linalg.norm(spectrum)
    centres = world.normal(size=(kinds, dimension)) * spectrum
    centres = centres[world.integers(kinds, size=styles)]
    centres += 0.7 * world.normal(size=(styles, dimension)) * spectrum
    rng = np.random.default_rng([9, seed, part])
    points = centres[rng.integers(styles, size=count)]
    points = points + 0.5 * rng.normal(size=(count, dimension)) * spectrum
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype("float32")


class Reference:
    """What a store must do, by a dictionary and a full comparison."""

    def __init__(self, dimension):
        self.vectors, self.metadata, self.dimension = {}, {}, dimension

    def add(self, ids, vectors, metadata):
        for one, vector, values in zip(ids, vectors, metadata, strict=True):
            self.vectors[one] = np.asarray(vector, "float64") / np.linalg.norm(vector)
            self.metadata[one] = {n: v for n, v in values.items() if v is not None}

    def update(self, ids, vectors, metadata):
        for position, one in enumerate(ids):
            vector = self.vectors[one] if vectors is None else vectors[position]
            values = self.metadata[one] | ({} if metadata is None else metadata[position])
            self.add([one], [vector], [values])

    def delete(self, ids):
        for one in ids:
            del self.vectors[one], self.metadata[one]

    def matching(self, satisfied):
        return [one for one, values in self.metadata.items() if satisfied(values)]

    def search(self, query, k, satisfied, exclude=(), collapse=None, seen=None):
        query = np.asarray(query, "float64") / np.linalg.norm(query)
        scores = {one: float(self.vectors[one] @ query) for one in self.matching(satisfied)}
        kept = [] if seen is None else [(None, None, seen)]
        for one in sorted(scores, key=lambda one: -scores[one]):
            vector = self.vectors[one]
            if one in exclude or (
                collapse is not None and any(vector @ other >= collapse for _, _, other in kept)
            ):
                continue
            kept.append((one, scores[one], vector))
        return [(one, score) for one, score, _ in kept if one is not None][:k]
