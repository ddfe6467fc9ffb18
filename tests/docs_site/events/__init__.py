"""The app that the examples in README and docs talk about."""
