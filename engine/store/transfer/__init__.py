"""Moving a store as a whole: from one to another, whatever either is made of.

* :mod:`~engine.store.transfer.protocol` is what a store gives to be copied from, and to be copied into.
* :mod:`~engine.store.transfer.copying` does it: one moment of the source, whole or not at all.
* :mod:`~engine.store.transfer.tally` tells whether two stores hold the same.
* :mod:`~engine.store.transfer.parts` cuts a store of any size into parts that fit into memory.
* :mod:`~engine.store.transfer.refusal` has what both kinds of stores say when they refuse.
"""
