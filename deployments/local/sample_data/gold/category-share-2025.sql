WITH by_category AS (
  SELECT item.category AS category, SUM(item.quantity * item.unit_price - item.discount) AS revenue
  FROM `bq-copilot-sandbox.shop.orders` AS orders
  CROSS JOIN UNNEST(orders.items) AS item
  WHERE orders.status != 'cancelled' AND orders.order_date BETWEEN '2025-01-01' AND '2025-12-31'
  GROUP BY category
)
SELECT category, revenue / SUM(revenue) OVER () AS share
FROM by_category
ORDER BY share DESC
