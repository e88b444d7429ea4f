"""Audits: each file is one SELECT of bad rows; a release with one is refused."""
