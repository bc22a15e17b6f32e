from contest.problems import PROBLEMS, published_cases


def test_the_published_table_shows_every_problem_and_both_precisions():
    cases = published_cases()
    assert {case.problem.name for case in cases} == {problem.name for problem in PROBLEMS}
    assert {case.dtype for case in cases} == {"float32", "float64"}
    assert len({str(case) for case in cases}) == len(cases)
