"""The one thing that leaves the house: a folder with the model and all that its use needs.

``model.keras`` (plain Keras, preprocessing inside), ``model.json`` (what it is), ``history.csv``,
``report.html``.
"""
