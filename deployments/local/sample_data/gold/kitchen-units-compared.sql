SELECT DATE_TRUNC(orders.order_date, MONTH) AS month, SUM(item.quantity) AS units
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
WHERE orders.status != 'cancelled' AND item.category = 'Kitchen'
  AND orders.order_date BETWEEN '2025-02-01' AND '2025-03-31'
GROUP BY month
ORDER BY month
