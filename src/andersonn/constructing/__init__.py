"""A scientist of the user's own, from a table of structures and values.

``understanding``: what a table says, before any time is spent on it. It opens the table (``sheets``), reads the column of the
target (``targets``, with the help of ``cells`` and ``units``) and the structures (``matter``), merges what is there twice
(``duplicates``), divides the rows (``sides``) and tells what a person should know (``findings``).
"""
