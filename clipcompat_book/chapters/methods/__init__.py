"""The methods side by side."""
