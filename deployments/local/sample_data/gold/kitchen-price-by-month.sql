SELECT
  DATE_TRUNC(orders.order_date, MONTH) AS month,
  SUM(item.quantity * item.unit_price - item.discount) / SUM(item.quantity) AS revenue_per_unit
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
WHERE orders.status != 'cancelled' AND item.category = 'Kitchen'
  AND orders.order_date BETWEEN '2024-10-01' AND '2025-06-30'
GROUP BY month
ORDER BY month
