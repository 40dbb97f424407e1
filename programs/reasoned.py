"""Retrieve, reason, then answer: for models that think better when they write it down first."""

import dspy

from programs.grounded import AnswerFromPassages, GroundedAnswer


class ReasonedAnswer(GroundedAnswer):
    """Like GroundedAnswer, but the model writes its reasoning before the answer."""

    def __init__(self, k: int = 3) -> None:
        super().__init__(k)
        self.respond = dspy.ChainOfThought(AnswerFromPassages)
