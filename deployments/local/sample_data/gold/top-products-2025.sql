SELECT products.name, SUM(item.quantity * item.unit_price - item.discount) AS revenue
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
JOIN `bq-copilot-sandbox.shop.products` AS products ON products.product_id = item.product_id
WHERE orders.status != 'cancelled' AND orders.order_date BETWEEN '2025-01-01' AND '2025-12-31'
GROUP BY products.name
ORDER BY revenue DESC
LIMIT 10
