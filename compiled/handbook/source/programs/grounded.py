"""Retrieve, then answer from what was retrieved: the program to start from."""

import dspy

import ragc
from ragc.evaluation import is_abstention
from ragc.retrieval import CITATION_METHOD, cite


class AnswerFromPassages(dspy.Signature):
    """Answer the question from the passages, in as few words as possible.

    If the passages do not hold the answer, say: The documents do not say.
    """

    passages: ragc.Passages = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class GroundedAnswer(dspy.Module):
    """Answers from the passages that retrieval finds, and cites those that hold the answer.

    The model writes the answer alone; citations are found by looking for the answer in the passages, not believed.
    """

    def __init__(self, k: int = 3) -> None:
        super().__init__()
        self.retrieve = ragc.Retrieve(k=k)
        self.respond: dspy.Module = dspy.Predict(AnswerFromPassages)

    def forward(self, question: str) -> dspy.Prediction:
        """Answer `question` with `answer`, `passages`, `citations` and `provenance`."""
        passages = self.retrieve(question)
        return grounded(self.respond(passages=passages, question=question), passages)

    async def aforward(self, question: str) -> dspy.Prediction:
        """Like `forward`, without blocking."""
        passages = await self.retrieve.acall(question)
        return grounded(await self.respond.acall(passages=passages, question=question), passages)


def grounded(response: dspy.Prediction, passages: ragc.Passages) -> dspy.Prediction:
    """Make a new prediction of a model's response: its answer, and the passages that support it.

    A new one, because fields added to the response itself would become part of demonstrations.
    """
    answer = response.answer
    return dspy.Prediction(
        answer=answer,
        passages=passages,
        citations=() if is_abstention(answer) else cite(answer, passages),
        provenance={
            "citation_method": CITATION_METHOD,
            "corpus_version": passages.corpus_version,
            "dropped": passages.dropped,
        },
    )
