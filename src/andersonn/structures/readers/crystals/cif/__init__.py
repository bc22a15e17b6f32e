"""How is a CIF read? ``parse.parse`` goes through it, a file a question:

- ``document``: which data blocks and items does the text hold? ``lax``: and if it breaks the syntax?
- ``sites``: which of the listed sites are atoms, and of which element?
- ``stated``: which symmetry does the file state? ``operations``: which operations are that? ``cell``: which atoms do they
  make? ``disputes``: which operations are meant where the statements contradict each other?
- ``evidence``: how many atoms does the file state, and do they fit? ``missing``: what do the sites lack of the formula?
"""
