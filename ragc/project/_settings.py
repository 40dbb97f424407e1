"""The typed form of `[tool.ragc]`. Imports pydantic: reach these names through `ragc.project`, which is lazy."""

from __future__ import annotations

import keyword
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ragc._secrets import has_password, hide_variable
from ragc.errors import ConfigError
from ragc.project._explain import nearest

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARM = re.compile(r"\w[\w.+=-]*")

Positive = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


def _named(value: str) -> str:
    if not value.strip() or value != value.strip():
        raise ValueError("must not be empty or have spaces around it")
    return value


def _variable(value: str) -> str:
    # Without the value: somebody who pastes a key here must not find it in a log.
    if not _VARIABLE.fullmatch(value):
        raise ValueError("must be the name of an environment variable, such as OUR_KEY, and not the key itself")
    hide_variable(value)
    return value


def _http(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    if has_password(value):
        raise ValueError("holds a password; secrets come from the environment (api_key_env)")
    return value


def _log(value: str) -> str:
    scheme, _, path = value.partition("://")
    if value != "off" and (scheme != "jsonl" or not path.strip("/")):
        raise ValueError("must be jsonl://PATH, such as jsonl://.ragc/answers.jsonl, or off")
    return value


def _price(value: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?(/\d+(\.\d+)?)?", value):
        raise ValueError('must be USD per million tokens as "INPUT/OUTPUT", such as "0.25/2"')
    return value


def _function(value: str) -> str:
    module, _, name = value.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError("must be module:function")
    return value


Named = Annotated[str, AfterValidator(_named)]
Variable = Annotated[str, AfterValidator(_variable)]
Url = Annotated[str, AfterValidator(_http)]


def _neighbours(value: Any) -> Any:
    if value != "document" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ValueError('must be a whole number from 0, or "document"')
    return value


LogAddress = Annotated[str, AfterValidator(_log)]
PriceText = Annotated[str, AfterValidator(_price)]
Function = Annotated[str, AfterValidator(_function)]
Expand = Annotated[Any, AfterValidator(_neighbours)]


class _Table(BaseModel):
    """A table of the configuration: frozen, unknown keys refused, no guessing of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Price(_Table):
    """What a model costs, in USD per million tokens."""

    input: Rate
    """Tokens of the prompt."""
    output: Rate
    """Tokens of the response."""
    cached_input: Rate | None = None
    """Tokens of the prompt that the provider had cached; None: the price of `input`."""


class EmbeddingPrice(_Table):
    """What an embedding model costs, in USD per million tokens."""

    input: Rate
    """Tokens of the texts."""


class RerankPrice(_Table):
    """What a reranker costs, in the unit that its provider bills."""

    search: Rate | None = None
    """USD per thousand searches (Cohere)."""
    input: Rate | None = None
    """USD per million tokens (Voyage)."""


class _Model(_Table):
    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value


class ModelSettings(_Model):
    """A language model: a name alone, or a table for what is not in the name."""

    model: Named
    """Any DSPy model string, or `local/…` for a model that runs in this process."""
    base_url: Url | None = None
    """Where an endpoint of one's own listens; None: the provider's."""
    api_key_env: Variable | None = None
    """The environment variable that holds the key; None: the provider's usual one."""
    max_tokens: Positive | None = None
    """The longest response, in tokens; None: the model family's own default."""
    temperature: Rate | None = None
    """The sampling temperature; None: the model family's own default."""
    threads: Positive | None = None
    """How many examples are in flight at once, and for `local/…` how many are decoded at once; None: as fits."""
    timeout: Amount = 60.0
    """Seconds until a call that has not come back is given up."""
    rpm: Positive | None = None
    """Requests that may be sent in any minute; None: as many as the provider takes."""
    tpm: Positive | None = None
    """Tokens that may be sent and asked for in any minute; None: as many as the provider takes."""
    price: Price | None = None
    """Overrides the price list that DSPy carries."""
    adapter: Literal["auto", "plain", "chat", "json"] = "auto"
    """How a signature becomes a prompt; auto: plain text for `local/…`, DSPy's ChatAdapter otherwise."""
    context: Positive | None = None
    """The context window of a `local/…` model, in tokens; None: 4,096."""

    @model_validator(mode="after")
    def _context_is_local(self) -> ModelSettings:
        if self.context is not None and not self.model.startswith("local/"):
            raise ValueError(f"context is for local/… models; {self.model} has its own")
        return self


class EmbedderSettings(_Model):
    """An embedding model: a name alone, or a table for what is not in the name."""

    model: Named
    """`local/wordllama-256`, or a provider's model such as `openai/text-embedding-3-small`."""
    base_url: Url | None = None
    """Where an endpoint of one's own listens; None: the provider's."""
    api_key_env: Variable | None = None
    """The environment variable that holds the key; None: the provider's usual one."""
    dimensions: Positive | None = None
    """How many dimensions to ask for; None: the model's own."""
    timeout: Amount = 60.0
    """Seconds until a request that has not come back is given up."""
    rpm: Positive | None = None
    """Requests that may be sent in any minute; None: as many as the provider takes."""
    tpm: Positive | None = None
    """Tokens that may be sent in any minute; None: as many as the provider takes."""
    price: EmbeddingPrice | None = None
    """Overrides the price list that DSPy carries."""


class RerankerSettings(_Model):
    """A reranker that programs may name: a name alone, or a table for what is not in the name."""

    model: Named
    """A provider's model such as `cohere/rerank-v3.5` or `voyage/rerank-2.5`."""
    base_url: Url | None = None
    """Where an endpoint of one's own listens; None: the provider's."""
    api_key_env: Variable | None = None
    """The environment variable that holds the key; None: the provider's usual one."""
    timeout: Amount = 60.0
    """Seconds until a request that has not come back is given up."""
    rpm: Positive | None = None
    """Requests that may be sent in any minute; None: as many as the provider takes."""
    tpm: Positive | None = None
    """Tokens that may be sent in any minute; None: as many as the provider takes."""
    price: RerankPrice | None = None
    """Overrides the price list that DSPy carries."""


class Budget(_Table):
    """What one run may spend, in all its commands when it is resumed; a cap that is not given does not exist."""

    usd: Amount | None = None
    """US dollars."""
    calls: Positive | None = None
    """Responses of language models, local ones included, and of embedders and rerankers that are not."""
    input_tokens: Positive | None = None
    """Tokens of the prompts, cached ones included, and of embedded texts."""
    output_tokens: Positive | None = None
    """Tokens of the responses, reasoning included."""
    seconds: Amount | None = None
    """Wall-clock time: no call begins later."""

    @classmethod
    def from_flags(
        cls,
        configured: Budget,
        *,
        usd: float | None = None,
        calls: int | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        seconds: float | None = None,
    ) -> Budget:
        """Return the budget with the caps that were given (`--budget-usd` and so on) over the configured ones.

        Raises ConfigError, naming the flag, for a cap that is none: zero or below, not a number, half a call.
        """
        flags = {
            "usd": usd,
            "calls": calls,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "seconds": seconds,
        }
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls.model_validate({**configured.model_dump(), **given})
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            name = str(fault["loc"][0])
            kind = "a number" if name in ("usd", "seconds") else "a whole number"
            expected = "more than 0" if fault["type"] == "greater_than" else kind
            value = f"{given[name]:g}" if isinstance(given[name], float) else given[name]
            raise ConfigError(f"--budget-{name.replace('_', '-')} {value}: expected {expected}") from error


class Limits(_Table):
    """What a candidate may need at most to be eligible."""

    usd_per_question: Amount | None = None
    """US dollars a question, on average."""
    latency_p95: Amount | None = None
    """Seconds of model time a question, 95th percentile."""


class ChunkSettings(_Table):
    """How documents are cut into passages."""

    size: Positive = 500
    """The longest passage."""
    overlap: Annotated[int, Field(ge=0)] = 0
    """How much neighbouring passages share; less than `size`."""
    by: Literal["characters", "tokens"] = "characters"
    """The unit of both."""

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> ChunkSettings:
        if self.overlap >= self.size:
            raise ValueError(f"overlap ({self.overlap}) must be smaller than size ({self.size})")
        return self


class TaskSettings(_Table):
    """One entry of `[tool.ragc.tasks]`. Paths are relative to the project's root."""

    name: str
    """The entry's own name, also that of the artifact in `compiled/`: a Python name."""
    program: Named
    """`module:Class`, or the bare name of a file in `programs/` that defines one program."""
    corpus: Named
    """A folder of documents, or a `.jsonl` file of them."""
    examples: Named
    """The labelled questions: `.jsonl` or `.csv`."""
    metric: Named = "answer_f1"
    """A metric of ragc's, or `module:function` in the project; settings in parentheses: `number(tolerance=1)`."""
    optimizer: Named | None = "bootstrap"
    """The bare name of a file in `optimizers/`, or `module:function`."""
    budget: Budget = Budget()
    """What one run may spend."""
    limits: Limits = Limits()
    """What a candidate may need at most."""
    chunk: ChunkSettings = ChunkSettings()
    """How the corpus is cut."""
    max_error_rate: Share = 0.2
    """The share of questions with errors at which a run stops."""
    validation_sample: Positive | None = None
    """How many validation questions the search uses, a seeded sample; None: all."""

    @field_validator("name")
    @classmethod
    def _name_can_be_imported(cls, name: str) -> str:
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            better = re.sub(r"\W", "_", name).strip("_") or "task"
            better = better if better.isidentifier() and not keyword.iskeyword(better) else f"task_{better}"
            raise ValueError(f"{name!r} cannot be imported from compiled; call the task {better!r}")
        return name

    @field_validator("examples")
    @classmethod
    def _examples_can_be_read(cls, path: str) -> str:
        if not path.endswith((".jsonl", ".csv")):
            raise ValueError(f"must be a .jsonl or .csv file, not {path!r}")
        return path


class ArmSettings(_Table):
    """One contestant of an experiment: what it has otherwise than the task. Nothing: the task itself, uncompiled."""

    name: str
    """The entry's own name."""
    program: Named | None = None
    """`module:Class`, or the bare name of a file in `programs/`."""
    optimizer: Named | None = None
    """The bare name of a file in `optimizers/`, or `module:function`; None: it is not compiled."""
    set: dict[str, Any] = {}
    """The optimizer's settings, as `ragc compile --set` takes them."""
    lm: ModelSettings | None = None
    """Another model; a name of the same provider keeps the configured endpoint."""
    embedder: EmbedderSettings | None = None
    """Another embedder, which has an index of its own."""
    store: Named | None = None
    """Another store."""
    artifact: Named | None = None
    """An artifact that is compiled already, by its path; with neither `program` nor `optimizer`."""
    k: Positive | None = None
    """How many passages are found; this and what follows holds for every `Retrieve` of the program."""
    alpha: Share | None = None
    """The weight of vectors in the hybrid score."""
    fetch_k: Positive | None = None
    """How deep either leg is read before the scores are fused."""
    expand: Expand | None = None
    """How many neighbours are added to a passage on either side."""
    max_tokens: Positive | None = None
    """The token budget of the passages."""
    reranker: Named | None = None
    """What puts the passages into a better order; `none`: nothing does."""

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not _ARM.fullmatch(name):
            raise ValueError(f"{name!r} is no name for an arm: letters, digits and . _ + = - alone, the first no sign")
        return name

    @model_validator(mode="after")
    def _artifact_is_compiled(self) -> ArmSettings:
        if self.artifact is not None and (self.program is not None or self.optimizer is not None):
            raise ValueError("an artifact is compiled already: it goes with neither program nor optimizer")
        if self.set and self.optimizer is None:
            raise ValueError("set has an optimizer's settings: name the optimizer as well")
        return self

    @property
    def retrieval(self) -> dict[str, Any]:
        """The settings of `Retrieve` that are given."""
        names = ("k", "alpha", "fetch_k", "expand", "max_tokens", "reranker")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ExperimentSettings(_Table):
    """One entry of `[tool.ragc.experiments]`: arms that answer the same test questions."""

    name: str
    """The entry's own name."""
    task: Named
    """The task whose questions they answer."""
    arms: dict[str, ArmSettings]
    """The contestants, by name."""
    baseline: Named | None = None
    """What the others are compared with; None: the arm that has nothing otherwise than the task."""
    repeats: Positive = 1
    """With how many seeds each optimizer is run, to see the spread of compiling itself."""
    budget: Budget | None = None
    """What the whole comparison may spend; None: the task's."""
    margin: Annotated[float, Field(gt=0, lt=1)] | None = None
    """How much worse than the baseline an arm may be and still count as not worse, 0 to 1."""
    queries: Positive | None = None
    """Questions a month, for what the arms would cost then."""

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not _ARM.fullmatch(name):
            raise ValueError(f"{name!r} is no name for an experiment: letters, digits and . _ + = - alone")
        return name

    @field_validator("arms", mode="before")
    @classmethod
    def _arms_know_their_names(cls, arms: Any) -> Any:
        return _with_names(arms)

    @model_validator(mode="after")
    def _baseline_is_an_arm(self) -> ExperimentSettings:
        if len(self.arms) < 2:
            raise ValueError(f"{len(self.arms)} arm is no comparison: name two or more")
        if self.baseline is not None and self.baseline not in self.arms:
            raise ValueError(f'baseline "{self.baseline}" is none of the arms, {nearest(self.baseline, self.arms)}')
        return self


def _with_names(entries: Any) -> Any:
    """Tables that know what they are called."""
    if not isinstance(entries, dict):
        return entries
    for name, entry in entries.items():
        if isinstance(entry, dict) and "name" in entry:
            raise ValueError(f'{name}: the table\'s own name is the name, without a key "name"')
    return {name: {**entry, "name": name} if isinstance(entry, dict) else entry for name, entry in entries.items()}


class Settings(_Table):
    """The whole of `[tool.ragc]`, validated; every key has a default."""

    lm: ModelSettings = ModelSettings(model="local/smollm2-135m-instruct")
    """The model that programs run on."""
    teacher: ModelSettings | None = None
    """The model that writes instructions and demonstrations while compiling; None: `lm`."""
    judge: ModelSettings | None = None
    """The model that scores answers for metrics that are judged; None: there is none."""
    embedder: EmbedderSettings = EmbedderSettings(model="local/wordllama-256")
    """The model that turns passages and questions into vectors."""
    rerankers: list[RerankerSettings] = []
    """How rerankers are reached and what they cost, where their names do not say it; `Retrieve.reranker` names one."""
    store: Named = "sqlite://.ragc/index.db"
    """The database that holds the passages; a relative path is relative to the project's root."""
    tracking: Named = "sqlite:///.ragc/mlflow.db"
    """An MLflow tracking URI, or `off`; a relative SQLite path is relative to the project's root."""
    audit: LogAddress = "off"
    """Where answers are logged: `jsonl://PATH`, relative to the project's root unless it begins with /, or `off`."""
    redact: Function | None = None
    """`module:function` in the project: takes each text of a logged answer and returns it as it may be written."""
    prices: dict[str, PriceText] = {}
    """What `ragc advise` reckons with, over its own list: a model's `"INPUT/OUTPUT"` in USD per million tokens."""
    development: bool = False
    """Whether the task is still being worked on: an artifact is then to be evaluated every week, else every quarter."""
    tasks: dict[str, TaskSettings] = {}
    """What can be compiled, by name."""
    experiments: dict[str, ExperimentSettings] = {}
    """What `ragc compare` compares, by name."""

    @field_validator("experiments", mode="before")
    @classmethod
    def _experiments_know_their_names(cls, experiments: Any) -> Any:
        return _with_names(experiments)

    @field_validator("tasks", mode="before")
    @classmethod
    def _tasks_know_their_names(cls, tasks: Any) -> Any:
        if not isinstance(tasks, dict):
            return tasks
        return {name: {**task, "name": name} if isinstance(task, dict) else task for name, task in tasks.items()}
