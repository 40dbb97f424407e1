"""A judge of answers, to be compiled on labels that people gave: ragc judge TASK --export."""

from ragc.evaluation.judge import AnswerJudge


class Judge(AnswerJudge):
    """Says whether an answer is right, partly right or wrong, by golden answers.

    It is asked with `question`, `accepted` and `given`, and answers `right`, `partly` or `wrong`, with a score from 0
    to 1. What it is told is the docstring of `GradeAnswer` in `ragc.evaluation.judge`: set `self.grade` to a predictor
    of your own to tell it otherwise.
    """
