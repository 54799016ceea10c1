"""Customers of a fashion shop, simulated from the products' metadata alone.

No vector and no picture is looked at, so the simulation knows nothing of any method's similarity.
What it assumes, and what decides who wins on it:

* A customer shops for men or for women, as often as there are products of each; unisex products
  are for both.
* He or she has 1, 2 or 3 interests (30, 40, 30 %): an article type, drawn as often as the shop has
  products of it (types of at least 5 products in the wardrobe), with a favourite colour, drawn as
  often as the type has it.  Interests are of unequal strength (Dirichlet, all ones).  The first
  lasts; half of the others begin or end at some time within the 90 days.
* Every product has a popularity of its own, log-normal with a spread of 1 (``spread``), that all
  customers share and no picture shows.
* 4 to 10 sessions of 3 to 8 events: a session is about one interest alive at that time, chosen by
  strength.  An event meets a product of that type in proportion to its popularity, times 4 if it
  is of the favourite colour; or, in 15 %, any product of the wardrobe by popularity alone.
* What happens then: of the favourite colour, view, like, purchase, dislike in 60, 20, 20, 0 %;
  another colour of the type, 80, 10, 5, 5 %; met by chance, 85, 5, 0, 10 %.

The last session is what a recommender must foresee from those before it: its products that are new
to the customer and not disliked, those met by chance included.  (``python
benchmarks/recommendation.py`` does.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tl_keras.retrieval.events import Event, last_session

DAYS, DAY = 90, 86_400
KINDS = ("view", "like", "purchase", "dislike")
CHANCES = {
    "favourite": (0.60, 0.20, 0.20, 0.00),
    "type": (0.80, 0.10, 0.05, 0.05),
    "chance": (0.85, 0.05, 0.00, 0.10),
}
FAVOURED, BY_CHANCE, FEWEST = 4.0, 0.15, 5


class Product(NamedTuple):
    """What the simulation knows of a product."""

    id: str
    gender: str
    type: str
    colour: str


class Interest(NamedTuple):
    """An article type and a favourite colour, alive from ``start`` to ``end`` (seconds)."""

    type: str
    colour: str
    strength: float
    start: float
    end: float


class Customer(NamedTuple):
    """One who shops; ``foreseen`` are the chances of each product in the last session, (N,)."""

    interests: tuple[Interest, ...]
    before: list[Event]
    wanted: list[str]
    foreseen: np.ndarray


class Shop:
    """The products, and how popular each is."""

    def __init__(self, products: Sequence[Product], seed: int, spread: float = 1.0):
        self.products = list(products)
        self.rng = np.random.default_rng([seed, 17])
        self.popularity = np.exp(spread * self.rng.normal(size=len(products)))
        self.types = np.array([product.type for product in products])
        self.colours = np.array([product.colour for product in products])
        genders = np.array([product.gender for product in products])
        self.wardrobes = {
            name: (genders == name) | (genders == "Unisex") for name in ("Men", "Women")
        }
        counts = np.array([(genders == name).sum() for name in self.wardrobes], float)
        self.shoppers = counts / counts.sum()

    def customer(self) -> Customer:
        """Draws one; again if nothing is to be foreseen, or nothing came before it."""
        while True:
            wardrobe = self.wardrobes[self.rng.choice(list(self.wardrobes), p=self.shoppers)]
            interests = self._interests(wardrobe)
            events, foreseen = self._events(wardrobe, interests)
            before, last = last_session(events)
            known = {event.item for event in before}
            wanted = {event.item for event in last if event.kind != "dislike"} - known
            if wanted and any(event.kind != "dislike" for event in before):
                return Customer(interests, before, sorted(wanted), foreseen)

    def _interests(self, wardrobe: np.ndarray) -> tuple[Interest, ...]:
        rng = self.rng
        names, counts = np.unique(self.types[wardrobe], return_counts=True)
        names, counts = names[counts >= FEWEST], counts[counts >= FEWEST]
        many = rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3])
        chosen = rng.choice(names, many, replace=False, p=counts / counts.sum())
        strengths = rng.dirichlet(np.ones(many))
        found = []
        for number, name in enumerate(chosen):
            colour = rng.choice(self.colours[wardrobe & (self.types == name)])
            start, end = 0.0, float(DAYS * DAY)
            if number and rng.random() < 0.5:
                turn = rng.uniform(0, DAYS * DAY)
                start, end = (turn, end) if rng.random() < 0.5 else (start, turn)
            found.append(Interest(str(name), str(colour), float(strengths[number]), start, end))
        return tuple(found)

    def _events(
        self, wardrobe: np.ndarray, interests: Sequence[Interest]
    ) -> tuple[list[Event], np.ndarray]:
        rng = self.rng
        many = rng.integers(4, 11)
        hours = np.sort(rng.choice(DAYS * 24, many, replace=False))
        events: list[Event] = []
        for start in hours * 3600.0:
            alive = [one for one in interests if one.start <= start <= one.end]
            strengths = np.array([one.strength for one in alive])
            strengths /= strengths.sum()
            about = alive[rng.choice(len(alive), p=strengths)]
            chances = (1 - BY_CHANCE) * self._drawn_to(wardrobe, about)
            chances = chances + BY_CHANCE * _shares(self.popularity * wardrobe)
            size = rng.integers(3, 9)
            met = rng.choice(len(self.products), size, replace=False, p=chances)
            for place, number in enumerate(met):
                kind = rng.choice(KINDS, p=CHANCES[self._fit(int(number), about)])
                events.append(Event(self.products[number].id, str(kind), start + 60.0 * place))
            foreseen = BY_CHANCE * _shares(self.popularity * wardrobe)
            for one, strength in zip(alive, strengths, strict=True):
                foreseen = foreseen + (1 - BY_CHANCE) * strength * self._drawn_to(wardrobe, one)
        return events, foreseen

    def _drawn_to(self, wardrobe: np.ndarray, about: Interest) -> np.ndarray:
        """How likely a session about an interest meets each product, (N,)."""
        liking = np.where(self.colours == about.colour, FAVOURED, 1.0)
        return _shares(self.popularity * wardrobe * (self.types == about.type) * liking)

    def _fit(self, number: int, about: Interest) -> str:
        if self.types[number] != about.type:
            return "chance"
        return "favourite" if self.colours[number] == about.colour else "type"


def _shares(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()
