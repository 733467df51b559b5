//! Beside Microsoft's own SDK for Python.
