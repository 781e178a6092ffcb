"""The methods side by side: where each acts, what it carries, what is left of it."""
