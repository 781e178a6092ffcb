"""Datasets: images, labels, class names, templates, and the few-shot draw. Imports: its folders, `common`."""
