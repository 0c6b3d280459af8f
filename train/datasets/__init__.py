"""Labelled images of others' and our own making: label files in, pages and lines out."""
