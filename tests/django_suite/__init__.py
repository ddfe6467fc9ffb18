"""Django's own tests of caches and sessions, run against ours as they are.

They come from the source distribution of the Django that is installed, which pip fetches once per
version; no line of them is copied. ``__main__`` runs them in a process of its own, since they need
their own settings and top-level packages called ``cache`` and ``sessions_tests``.
"""
