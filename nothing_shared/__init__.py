"""Reusable Django apps that let many web nodes serve one site without sharing a thing."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
