"""The `LanguageModel` block: OpenAI, Azure OpenAI or any compatible endpoint, with prices and a fallback.

Decides which client speaks to the endpoint. What a call looks like and what its errors mean stands in `chat_model`.
The official client is imported when a model is first opened: that takes a third of a second, which a process that only
goes on after an approval does not have to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, model_validator

from blocks.fallback_model import WithFallback
from blocks.price import Price
from bq_copilot.ports import Embedder
from bq_copilot.ports import LanguageModel as LanguageModelPort

if TYPE_CHECKING:
    import openai


class LanguageModel(Block):
    """A chat model with tools."""

    _block_type_name = "Language Model"
    _block_type_slug = "bq-copilot-language-model"
    _description = "OpenAI, Azure OpenAI or a compatible chat endpoint: address, model, key, prices, fallback."

    provider: Literal["openai", "azure", "compatible"] = Field(
        default="compatible", description="Whose API it is; strict tool calls are used where it has them."
    )
    base_url: str = Field(default="", description="Endpoint up to /v1 (Azure: the resource's). Empty: OpenAI.")
    model: str = Field(description="Model name as the endpoint knows it (Azure: the deployment's name).")
    api_key: SecretStr = Field(default=SecretStr("none"), description="Key; the offline model needs none.")
    api_version: str = Field(default="", description="Azure only: the version of its API, e.g. 2024-10-21.")
    timeout_seconds: float = Field(default=90.0, gt=0, description="Deadline of one call.")
    stream: bool = Field(default=True, description="Receive the reply piece by piece; a stalled one is noticed.")
    strict_tools: bool | None = Field(
        default=None, description="Ask for strict tool calls; empty: for openai and azure only."
    )
    usd_per_million_in: float = Field(default=0.0, ge=0, description="Price of a million prompt tokens, USD.")
    usd_per_million_out: float = Field(default=0.0, ge=0, description="Price of a million reply tokens, USD.")
    prices: dict[str, list[float]] = Field(
        default_factory=dict[str, list[float]],
        description="By model, USD a million tokens: [prompt, reply] or [prompt, reply, cached prompt].",
    )
    fallback_model: str = Field(default="", description="Model that is asked when the first one fails. Empty: none.")
    fallback_base_url: str = Field(default="", description="Its endpoint, when it is another one.")
    fallback_api_key: SecretStr | None = Field(default=None, description="Its key, when it is another one.")
    embedding_model: str = Field(default="", description="Model for embeddings of schemas. Empty: words alone.")

    @model_validator(mode="after")
    def _prices_are_pairs(self) -> Self:
        wrong = [n for n, p in self.prices.items() if len(p) not in (2, 3) or min(p) < 0]
        if wrong:
            raise ValueError(f"prices: {', '.join(wrong)} needs [prompt, reply] or [prompt, reply, cached prompt]")
        if self.prices and not (self.usd_per_million_in or self.usd_per_million_out):
            own = self.price_of(self.model)  # what budgets reserve before a call is the model's own price
            self.usd_per_million_in, self.usd_per_million_out = own.prompt, own.reply
        return self

    def open(self) -> LanguageModelPort:
        """Build the adapter; no call is made yet."""
        from blocks.chat_model import ChatModel  # noqa: PLC0415 - see above

        first = ChatModel(self._client(), self.model, self.price_of, strict=self.is_strict, stream=self.stream)
        if not self.fallback_model:
            return first
        client = self._client(self.fallback_base_url, self.fallback_api_key)
        strict = self.is_strict and not self.fallback_base_url
        return WithFallback(
            first, ChatModel(client, self.fallback_model, self.price_of, strict=strict, stream=self.stream)
        )

    def open_embedder(self) -> Embedder | None:
        """Build the embedding adapter, None when no embedding model is configured."""
        if not self.embedding_model:
            return None
        from blocks.embeddings import EmbeddingModel  # noqa: PLC0415 - see above

        return EmbeddingModel(self._client(), self.embedding_model, self.price_of)

    async def offered(self, seconds: float, *, fallback: bool = False) -> list[str]:
        """Ask the endpoint which models it has, which costs nothing. Raises openai.APIError."""
        client = self._client(self.fallback_base_url, self.fallback_api_key) if fallback else self._client()
        async with client:
            page = await client.with_options(timeout=seconds).models.list()
            return [model.id for model in page.data or []]

    @property
    def is_strict(self) -> bool:
        """Say whether strict tool calls are asked for."""
        return self.strict_tools if self.strict_tools is not None else self.provider != "compatible"

    def price_of(self, model: str) -> Price:
        """Return the price of a model: its own, that of the name it begins with, else the block's default."""
        named = [n for n in self.prices if model == n or model.startswith(f"{n}-")]
        if not named:
            return Price(self.usd_per_million_in, self.usd_per_million_out, self.usd_per_million_in)
        found = self.prices[max(named, key=len)]
        return Price(found[0], found[1], found[2] if len(found) == 3 else found[0])

    def _client(self, base_url: str = "", key: SecretStr | None = None) -> openai.AsyncOpenAI:
        import openai  # noqa: PLC0415 - see above

        secret = (key or self.api_key).get_secret_value()
        if self.provider == "azure" and not base_url:
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.base_url,
                api_key=secret,
                api_version=self.api_version or "2024-10-21",
                timeout=self.timeout_seconds,
                max_retries=0,
            )
        return openai.AsyncOpenAI(
            base_url=base_url or self.base_url or None, api_key=secret, timeout=self.timeout_seconds, max_retries=0
        )
