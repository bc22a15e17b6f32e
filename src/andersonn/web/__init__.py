"""The web lab: a page and a JSON API that ask the scientists about dropped structures."""
