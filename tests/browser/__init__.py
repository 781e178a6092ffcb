"""Claims about the built book in a real browser, without a network: `make test-browser`, after `make book`."""
