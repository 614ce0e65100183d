"""Languages of snippets and conditions, behind one small protocol.

* :mod:`~engine.language.protocol`: what a compiler and a program are
* :mod:`~engine.language.cel`: CEL, compiled to Python functions
* :mod:`~engine.language.javascript`: JavaScript on V8
* :mod:`~engine.language.typescript`: JavaScript with types
* :mod:`~engine.language.python`: Python, unconfined, for operators who turn it on
* :mod:`~engine.language.constant`: `text`, `json` and `yaml`, which always give the same value
* :mod:`~engine.language.registry`: which languages there are
"""
