"""Whether two sets of images come from one source: tests on features and on predictions."""
