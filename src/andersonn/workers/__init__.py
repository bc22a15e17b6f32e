"""Long work over many inputs that loses nothing: processes that may crash, hang or run out of memory without harm, and
journals from which an interrupted run goes on.
"""
