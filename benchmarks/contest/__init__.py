"""The solver contest: fixed-point problems, our solvers beside those of public libraries, one criterion, and its report."""
