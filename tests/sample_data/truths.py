"""Every right answer over the sample data, by id.

Decides: which books make up the evaluation set. Never does: compute. Why this shape: a test or an evaluation
takes an id from `questions.yaml`, looks it up here and needs to know nothing else.

    truth = TRUTHS["revenue-by-month"]
    agrees(truth, truth.expected(frames), rows_of_the_result)
"""

from tests.sample_data.customer_truths import CUSTOMERS
from tests.sample_data.goods_truths import GOODS
from tests.sample_data.registry import Book, Truth
from tests.sample_data.sales_truths import SALES
from tests.sample_data.web_truths import WEB

BOOKS: tuple[Book, ...] = (SALES, GOODS, CUSTOMERS, WEB)
TRUTHS: dict[str, Truth] = {name: truth for book in BOOKS for name, truth in book.items()}
