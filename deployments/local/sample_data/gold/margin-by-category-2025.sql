SELECT
  item.category,
  SUM(item.quantity * item.unit_price - item.discount - item.quantity * products.unit_cost) AS gross_margin
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
JOIN `bq-copilot-sandbox.shop.products` AS products ON products.product_id = item.product_id
WHERE orders.status != 'cancelled' AND orders.order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY item.category
ORDER BY gross_margin DESC
