"""Search in the vector index against brute-force numpy: build, memory, latency, recall.

    python benchmarks/vector_search.py --count 100000 --dimension 256
    python benchmarks/vector_search.py --count 1000000 --dimension 512
    python benchmarks/vector_search.py --count 100000 --dimension 256 --others
    python benchmarks/vector_search.py --crossover

The vectors are clustered as embeddings are: 100 kinds of very different frequency, 5,000 styles
within them, items around their style, and a spectrum that falls off as that of embeddings does
(printed: the cosine of the 10th neighbour and the local intrinsic dimension, Levina and Bickel
2004).  Queries are drawn like the items and are not among them.  Brute force is ``vectors @ query``
and ``argpartition`` with all of numpy's threads; the two take turns, a block of queries each, so
that a busy machine troubles both; that of the fastest tenths is nearest to an idle machine's ratio.
``--others`` measures what else there is, where installed.
"""

import argparse
import contextlib
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tl_keras.evaluation.neighbours import exact_neighbours
from tl_keras.retrieval import VectorIndex, segment

K = 10
BLOCKS, BRUTE = 5, 12  # turns, and brute-force queries in each


def clustered(count: int, dimension: int, part: int = 0) -> np.ndarray:
    """Unit vectors, float32 (count, dimension); every part is another draw from one world."""
    world = np.random.default_rng(0)
    spectrum = np.arange(1, dimension + 1) ** -0.5
    spectrum /= np.linalg.norm(spectrum)
    basis = np.linalg.qr(world.normal(size=(dimension, dimension)))[0].astype("float32")
    often = 1 / np.arange(1, 101) ** 0.7
    kinds = world.normal(size=(100, dimension)) * spectrum
    styles = kinds[world.choice(100, 5000, p=often / often.sum())]
    styles = styles + 0.7 * world.normal(size=styles.shape) * spectrum
    styles, spectrum = styles.astype("float32"), spectrum.astype("float32")
    often = world.pareto(1.5, 5000) + 0.2
    rng = np.random.default_rng([1, part])
    vectors = np.empty((count, dimension), "float32")
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        chosen = styles[rng.choice(5000, size, p=often / often.sum())]
        noise = rng.standard_normal((size, dimension), dtype="float32")
        block = (chosen + 0.5 * spectrum * noise) @ basis
        vectors[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def brute_force(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    scores = vectors @ query
    nearest = np.argpartition(scores, -K)[-K:]
    return nearest[np.argsort(-scores[nearest])]


def timed(search, queries) -> tuple[list[float], list]:
    seconds, found = [], []
    for query in queries:
        began = time.perf_counter()
        found.append(search(query))
        seconds.append(time.perf_counter() - began)
    return seconds, found


def race(name, vectors, queries, truth, search, number) -> None:
    """Turns of brute force and of a search; one line of what came out."""
    seconds, slow, found = [], [], []
    timed(search, queries[:20])
    for block, some in enumerate(np.array_split(queries, BLOCKS)):
        turn = queries[block * BRUTE : (block + 1) * BRUTE]
        slow += timed(lambda query: brute_force(vectors, query), turn)[0]
        timed(search, some[:5])  # what brute force has driven out of the caches
        new, hits = timed(search, some)
        seconds, found = seconds + new, found + hits
    recall = np.mean([len({number(h) for h in hits} & set(t.tolist())) / K
                      for hits, t in zip(found, truth, strict=True)])  # fmt: skip
    p50, p99 = np.percentile(seconds, (50, 99)) * 1e3
    brute = np.median(slow) * 1e3
    undisturbed = np.percentile(slow, 10) / np.percentile(seconds, 10)
    print(f"{name:<24} p50 {p50:.3f} ms  p99 {p99:.3f} ms  recall@10 {recall:.4f}  "
          f"brute force p50 {brute:.2f} ms  ratio {brute / p50:.0f}  "
          f"of the fastest tenths {undisturbed:.0f}", flush=True)  # fmt: skip


def measure(count: int, dimension: int, many: int, others: bool) -> None:
    vectors, queries = clustered(count, dimension), clustered(many, dimension, 1)
    truth, scores = exact_neighbours(vectors, queries, 2 * K)
    apart = np.sqrt(np.maximum(2 - 2 * scores, 1e-9))
    local = np.median(1 / np.log(apart[:, -1:] / apart[:, :-1]).mean(axis=1))
    truth = truth[:, :K]
    cosine = np.median(scores[:, K - 1])
    print(f"{count:,} vectors of {dimension}: {vectors.nbytes / 1e6:.0f} MB; cosine of the 10th "
          f"neighbour {cosine:.2f}, intrinsic dimension {local:.0f}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        index = VectorIndex.create(folder, dimension, "benchmark")
        index.add([str(row) for row in range(count)], vectors)
        built = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        sizes = {file.name: file.stat().st_size for file in Path(folder).rglob("*.*")}
        print(f"built in {built:.1f} s, {peak / 1024:.0f} MB at most beside the vectors (mapped "
              f"files included); on disk {sum(sizes.values()) / 1e6:.0f} MB, "
              f"cells {sizes['cells.faiss'] / 1e6:.0f} MB")  # fmt: skip
        race("VectorIndex", vectors, queries, truth, index.search, lambda hit: int(hit.id))
        print("a reader that has searched:", reader_memory(folder, queries))
    if others:
        for name, search in other_engines(vectors):
            race(name, vectors, queries, truth, search, int)


def reader_memory(folder: str, queries: np.ndarray) -> str:
    """Memory of a process of its own that opens the index and searches."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, queries)
        file.flush()
        command = [sys.executable, __file__, "--reader", folder, "--queries-file", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def read(folder: str, queries: np.ndarray) -> None:
    def kilobytes():
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
        return {line.split(":")[0]: int(line.split()[1]) for line in lines}

    import faiss  # noqa: F401 (its own memory is not the index')

    start = kilobytes()
    began = time.perf_counter()
    index = VectorIndex(folder, "benchmark")
    opened = time.perf_counter() - began
    for query in queries:
        index.search(query)
    end = kilobytes()
    own = (end["Anonymous"] - start["Anonymous"]) / 1024
    shared = (end["Rss"] - start["Rss"]) / 1024 - own
    print(f"opened in {1e3 * opened:.1f} ms, {own:.0f} MB of its own, "
          f"{shared:.0f} MB of mapped files touched")  # fmt: skip


def other_engines(vectors):
    """Name and search of each that is installed, at settings near a recall of 0.98 to 0.99."""
    count, dimension = vectors.shape
    if importlib.util.find_spec("faiss"):
        import faiss

        lists = round(2 * count**0.5)
        for spec, attribute, values in (
            (f"IVF{lists},Flat", "nprobe", (8, 16)),
            (f"IVF{lists},SQ8", "nprobe", (8, 16)),
            ("HNSW32", "hnsw.efSearch", (32, 64)),
        ):
            with built(f"faiss {spec}"):
                index = faiss.index_factory(dimension, spec, faiss.METRIC_INNER_PRODUCT)
                index.train(vectors[: 64 * lists])
                index.add(vectors)
            for value in values:
                faiss.ParameterSpace().set_index_parameter(
                    index, attribute.removeprefix("hnsw."), value
                )
                name = f"faiss {spec} {value}"
                yield name, lambda query, index=index: index.search(query[None], K)[1][0]
    if importlib.util.find_spec("hnswlib"):
        import hnswlib

        with built("hnswlib"):
            graph = hnswlib.Index("ip", dimension)
            graph.init_index(count, M=16, ef_construction=200)
            graph.add_items(vectors)
        for value in (32, 64):
            graph.set_ef(value)
            yield f"hnswlib {value}", lambda q: graph.knn_query(q, K, num_threads=1)[0][0]
    if importlib.util.find_spec("usearch"):
        from usearch.index import Index

        with built("usearch"):
            other = Index(ndim=dimension, metric="ip", dtype="f32")
            other.add(np.arange(count), vectors)
        for value in (32, 64):
            other.expansion_search = value
            yield f"usearch {value}", lambda query: other.search(query, K).keys
    if importlib.util.find_spec("scann"):
        import scann

        with built("scann"):
            tree = scann.scann_ops_pybind.builder(vectors, K, "dot_product")
            tree = tree.tree(num_leaves=1000, num_leaves_to_search=32)
            tree = tree.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()
        for value in (32, 64):
            yield (
                f"scann {value}",
                lambda query, value=value: tree.search(
                    query, leaves_to_search=value, pre_reorder_num_neighbors=100
                )[0],
            )


@contextlib.contextmanager
def built(name):
    began = time.perf_counter()
    yield
    print(f"{name} built in {time.perf_counter() - began:.1f} s")


def crossover() -> None:
    """From how many vectors on cells are worth it."""
    print("vectors  dimension  exact p50 ms  with cells p50 ms  build s")
    for dimension in (256, 512):
        queries = clustered(200, dimension, 1)
        for count in (2_000, 5_000, 10_000, 20_000, 40_000):
            vectors = clustered(count, dimension)
            times = []
            for limit in (count, 0):
                segment.EXACT_UP_TO = limit
                with tempfile.TemporaryDirectory() as folder:
                    index = VectorIndex.create(folder, dimension, "benchmark")
                    began = time.perf_counter()
                    index.add([str(row) for row in range(count)], vectors)
                    building = time.perf_counter() - began
                    timed(index.search, queries[:20])
                    times.append(np.median(timed(index.search, queries)[0]) * 1e3)
            print(f"{count:>7,}  {dimension:>9}  {times[0]:>12.3f}  {times[1]:>17.3f}  "
                  f"{building:.1f}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--crossover", action="store_true")
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    parser.add_argument("--queries-file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        read(options.reader, np.load(options.queries_file))
        return
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if options.crossover:
        crossover()
    else:
        measure(options.count, options.dimension, options.queries, options.others)


if __name__ == "__main__":
    main()
