"""Tests of the store below the mount: the C interface and the schema in any SQL client's hands."""
