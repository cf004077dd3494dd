"""The test suite; a package, so that no other package's `tests` is taken for it."""
