"""The catalogue's generators, one file for each few families: what can go wrong in any network of the vocabulary."""
