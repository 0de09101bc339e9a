SELECT SUM(item.discount) AS discount
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
WHERE orders.status != 'cancelled' AND orders.order_date BETWEEN '2025-11-01' AND '2025-11-30'
