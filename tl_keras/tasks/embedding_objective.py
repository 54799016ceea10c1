"""Losses of vectors that shall be alike within a class and unlike between classes, by name."""

from tl_keras.tasks.margin_losses import ArcFaceLoss, CosFaceLoss, ProxyAnchorLoss
from tl_keras.tasks.pair_losses import SupervisedContrastiveLoss, TripletLoss

#: Classes; each takes its paper's settings where none are given.  ``of_cosines`` says whether it
#: is for ``margin_head(embedder, classes)`` or for the embedder itself.
EMBEDDING_LOSSES = {
    "arcface": ArcFaceLoss,
    "cosface": CosFaceLoss,
    "proxy_anchor": ProxyAnchorLoss,
    "triplet": TripletLoss,
    "supervised_contrastive": SupervisedContrastiveLoss,
}
