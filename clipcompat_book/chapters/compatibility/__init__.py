"""Plug-ins carried over an upgrade: averages, controls, replication."""
