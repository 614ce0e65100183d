"""Looking for damage in a store, without changing anything.

* :mod:`~engine.store.check.finding` is what is found; :mod:`~engine.store.check.protocol` is what a store gives to be looked at.
* :mod:`~engine.store.check.checking` goes through it all; the rules are in :mod:`~engine.store.check.history`,
  :mod:`~engine.store.check.documents`, :mod:`~engine.store.check.trials` and :mod:`~engine.store.check.instances`.

The rules see rows as they are kept, since what is damaged cannot be read in any other way. What only one kind of store can
know (its file, its replica set, its indexes) it finds out by itself.
"""
