"""Whether a crystal looks like those of a training: lengths, volume, order and completeness, by what was learned of sound ones."""
