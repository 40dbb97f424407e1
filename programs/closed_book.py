"""Answer without retrieval, from what the model knows: the floor of any comparison."""

import dspy


class AnswerFromMemory(dspy.Signature):
    """Answer the question in as few words as possible. If you do not know, say: I do not know."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class ClosedBook(dspy.Module):
    """Answers from the model's weights alone: no retrieval, no citations."""

    def __init__(self) -> None:
        super().__init__()
        self.respond = dspy.Predict(AnswerFromMemory)

    def forward(self, question: str) -> dspy.Prediction:
        """Answer `question` with `answer`."""
        return dspy.Prediction(answer=self.respond(question=question).answer)

    async def aforward(self, question: str) -> dspy.Prediction:
        """Like `forward`, without blocking."""
        return dspy.Prediction(answer=(await self.respond.acall(question=question)).answer)
