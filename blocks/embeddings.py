"""Embeddings over the official client, behind the core's `Embedder` port. Its own retries are off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import openai

from blocks.chat_model import translate
from blocks.price import Price
from bq_copilot.ports import Embedded
from bq_copilot.values import Usage

MAX_CHARACTERS = 8_000


class EmbeddingModel:
    """The Embedder port."""

    def __init__(self, client: openai.AsyncOpenAI, name: str, price_of: Callable[[str], Price]) -> None:
        self._client = client
        self._price_of = price_of
        self.name = name

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the vectors of these texts."""
        try:
            answer = await self._client.embeddings.create(
                model=self.name, input=[t[:MAX_CHARACTERS] or " " for t in texts], encoding_format="float"
            )
        except openai.OpenAIError as error:
            raise translate(error) from error
        found = sorted(answer.data, key=lambda d: d.index)
        tokens = answer.usage.prompt_tokens
        usage = Usage(prompt_tokens=tokens, usd=self._price_of(self.name).of(tokens, 0, 0))
        return Embedded([d.embedding for d in found], usage)
