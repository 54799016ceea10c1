"""What is wrong with data, found before anything is trained on it; a file for each kind of fault.

:func:`tl_keras.data.check` runs them all.
"""
