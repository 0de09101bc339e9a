SELECT products.brand, SUM(item.quantity) AS units
FROM `bq-copilot-sandbox.shop.orders` AS orders
CROSS JOIN UNNEST(orders.items) AS item
JOIN `bq-copilot-sandbox.shop.products` AS products ON products.product_id = item.product_id
WHERE orders.status != 'cancelled' AND orders.order_date BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY products.brand
ORDER BY units DESC
LIMIT 5
