"""Readers: from whatever data lies in to the one table, a file for each format.

Each is a function ``from_...(source) -> Examples``; :func:`tl_keras.data.open_data` finds out which
of them a source needs.
"""
